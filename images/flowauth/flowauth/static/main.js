// Main: who is signed in, which page is shown, and the bar above it.

import { api, Problem } from "./api.js";
import { bad, h } from "./elements.js";
import * as account from "./pages/account.js";
import * as key from "./pages/key.js";
import * as roles from "./pages/roles.js";
import * as servers from "./pages/servers.js";
import * as signIn from "./pages/sign_in.js";
import * as tokens from "./pages/tokens.js";
import * as users from "./pages/users.js";

const content = document.getElementById("content");
const header = document.getElementById("header");

// The first whose pattern fits; the groups become the page's arguments
const ROUTES = [
  [/^#\/$/, tokens.show, false],
  [/^#\/account$/, account.show, false],
  [/^#\/users$/, users.list, true],
  [/^#\/users\/(new|\d+)$/, users.edit, true],
  [/^#\/servers$/, servers.list, true],
  [/^#\/servers\/(new|\d+)$/, servers.edit, true],
  [/^#\/roles$/, roles.list, true],
  [/^#\/roles\/(\d+)$/, roles.edit, true],
  [/^#\/roles\/new\/(\d+)$/, roles.add, true],
  [/^#\/key$/, key.show, true],
];
const PLACES = [
  ["#/", "Tokens", false],
  ["#/account", "Account", false],
  ["#/servers", "Servers", true],
  ["#/roles", "Roles", true],
  ["#/users", "Users", true],
  ["#/key", "Public key", true],
];

let me = null;

async function start(notice) {
  try {
    me = await api.get("/user");
    const state = await api.get("/is_signed_in");
    me.must_set_up_two_factor = state.require_two_factor_setup;
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 401) return fail(problem);
    me = null;
  }
  if (me === null) return showSignIn(notice);
  if (!location.hash || location.hash === "#content") history.replaceState(null, "", "#/");
  return show();
}

function showSignIn(notice) {
  header.replaceChildren();
  content.className = "narrow";
  document.title = "Sign in – FlowAuth";
  content.replaceChildren(signIn.page(notice, () => start()));
  content.querySelector("input").focus();
}

async function show() {
  if (me === null) return;
  // Whoever must set up two-factor authentication can do nothing else
  if (me.must_set_up_two_factor && location.hash !== "#/account") { location.hash = "#/account"; return; }
  const hash = location.hash || "#/";
  showBar(hash);
  content.className = "";
  const route = ROUTES.find(([pattern, , forAdmins]) => pattern.test(hash) && (!forAdmins || me.is_admin));
  if (!route) {
    content.replaceChildren(h("h1", { tabindex: "-1" }, "There is no such page"), h("p", null, h("a", { href: "#/" }, "To your tokens")));
    return arrive();
  }
  const turn = ++show.turn;
  try {
    const page = await route[1]({ me, reload: () => start() }, ...hash.match(route[0]).slice(1));
    if (turn !== show.turn || me === null) return;
    content.replaceChildren(page);
  } catch (problem) {
    if (turn === show.turn && me !== null) fail(problem);
  }
  arrive();
}
show.turn = 0;

function arrive() {
  const title = content.querySelector("h1");
  if (!title) return;
  document.title = `${title.textContent} – FlowAuth`;
  if (!content.contains(document.activeElement)) title.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function fail(problem) {
  if (!(problem instanceof Problem)) console.error(problem);
  content.replaceChildren(h("h1", { tabindex: "-1" }, "That did not work"), bad(problem.message),
    h("button", { type: "button", onclick: () => start() }, "Try again"));
}

function showBar(hash) {
  const places = PLACES.filter(([, , forAdmins]) => me.is_admin || !forAdmins);
  header.replaceChildren(h("div", { class: "bar" },
    h("a", { class: "brand", href: "#/" }, h("img", { src: "/static/icon.svg", alt: "" }), "FlowAuth"),
    h("nav", { "aria-label": "Pages" }, h("ul", null, places.map(([place, name]) =>
      h("li", null, h("a", { href: place, "aria-current": isAt(place, hash) ? "page" : null }, name))))),
    h("div", { class: "who" }, h("span", { title: me.name }, me.name),
      h("button", { type: "button", onclick: signOut }, "Sign out"))));
}

function isAt(place, hash) {
  return place === "#/" ? hash === "#/" : hash === place || hash.startsWith(`${place}/`);
}

async function signOut() {
  try {
    await api.get("/signout");
  } finally {
    me = null;
    history.replaceState(null, "", "#/");
    showSignIn("You have signed out.");
  }
}

window.addEventListener("hashchange", show);
window.addEventListener("signed-out", () => {
  if (me === null) return;
  me = null;
  showSignIn("Your session has ended. Sign in again to carry on.");
});
start();
