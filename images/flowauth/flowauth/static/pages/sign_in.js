// Signing in, in one step or two.

import { api } from "../api.js";
import { field, form, good, h } from "../elements.js";

export function page(notice, done) {
  const name = h("input", { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const first = form({}, send,
    field("User name", name), field("Password", password),
    h("button", { type: "submit", class: "main wide" }, "Sign in"));
  const place = h("div", { class: "card" }, first);

  async function send() {
    await signIn({ username: name.value.trim(), password: password.value });
  }

  async function signIn(body) {
    try {
      await api.post("/signin", body);
    } catch (problem) {
      if (!problem.body?.need_two_factor) throw problem;
      askForCode(body);
      return;
    }
    done();
  }

  function askForCode(body) {
    const code = h("input", { name: "two_factor_code", autocomplete: "one-time-code", inputmode: "text", autocapitalize: "none", spellcheck: "false", required: true });
    place.replaceChildren(form({}, () => signIn({ ...body, two_factor_code: code.value.replace(/\s/g, "") }),
      field("Code", code, "Six digits from your authenticator app, or one of your backup codes. Each works once."),
      h("button", { type: "submit", class: "main wide" }, "Sign in"),
      h("p", { class: "hint" }, h("button", { type: "button", class: "plain", onclick: back }, "Sign in as somebody else"))));
    code.focus();
  }

  function back() {
    password.value = "";
    place.replaceChildren(first);
    name.focus();
  }

  return h("div", null,
    h("h1", null, h("img", { src: "/static/icon.svg", alt: "", width: 44, height: 44 }), "Sign in to FlowAuth"),
    notice ? good(notice) : null, place);
}
