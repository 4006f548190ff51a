// One's own account: the password and two-factor authentication.

import { api } from "../api.js";
import { announce, bad, confirmed, copyButton, downloadButton, field, form, good, h, heading } from "../elements.js";

export async function show({ me, reload }) {
  const two = h("section", { class: "card", "aria-labelledby": "two-factor" });
  const active = (await api.get("/user/two_factor_active")).two_factor_enabled;
  fill(two, me, active, reload);
  return h("div", null, heading("Your account"),
    me.must_set_up_two_factor ? bad("An admin asks you to set up two-factor authentication before you go on.") : null,
    me.must_set_up_two_factor ? [two] : [password(me), two]);
}

function password(me) {
  const old = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const fresh = h("input", { name: "newPassword", type: "password", autocomplete: "new-password", required: true });
  const again = h("input", { name: "again", type: "password", autocomplete: "new-password", required: true });
  const done = h("div", { role: "status" });
  const made = form({}, send,
    // For password managers
    h("input", { autocomplete: "username", value: me.name, readonly: true, hidden: true }),
    field("Present password", old),
    field("New password", fresh, "Four or five uncommon words make a good one. Other sessions of yours will end."),
    field("New password once more", again),
    h("button", { type: "submit", class: "main" }, "Change password"));
  async function send() {
    done.replaceChildren();
    if (fresh.value !== again.value) {
      throw Object.assign(new Error("The two are not the same."), { body: { bad_field: "again" } });
    }
    await api.patch("/user/password", { password: old.value, newPassword: fresh.value });
    made.reset();
    done.replaceChildren(good("Your password has been changed."));
  }
  return h("section", { class: "card", "aria-labelledby": "password" }, h("h2", { id: "password" }, "Password"), done, made);
}

function fill(card, me, active, reload) {
  const title = h("h2", { id: "two-factor" }, "Two-factor authentication ", h("span", { class: "tag" }, active ? "on" : "off"));
  const place = h("div", null);
  const start = (button) => async () => {
    try { await button(); } catch (problem) { place.replaceChildren(bad(problem.message)); }
  };
  card.replaceChildren(title,
    h("p", null, "With it, signing in also takes a code from an app on your phone. Whoever learns your password is still kept out."),
    h("div", { class: "actions" }, active
      ? [h("button", { type: "button", onclick: start(newCodes) }, "New backup codes"),
        me.require_two_factor ? h("span", { class: "soft" }, "Your admin requires it.") : h("button", { type: "button", class: "bad", onclick: start(disable) }, "Switch off")]
      : h("button", { type: "button", class: "main", onclick: start(enable) }, "Set up")),
    place);

  async function enable() {
    const offer = await api.post("/user/enable_two_factor");
    const code = h("input", { name: "two_factor_code", inputmode: "numeric", autocomplete: "one-time-code", required: true });
    const secret = new URL(offer.provisioning_url).searchParams.get("secret");
    place.replaceChildren(h("hr"), h("ol", { class: "steps" },
      h("li", null, h("h3", null, "Scan this with your authenticator app"),
        h("img", { class: "qr", src: offer.qr_code, alt: "QR code for your authenticator app" }),
        h("p", null, "Or type this key: ", h("code", null, secret.match(/.{1,4}/g).join(" ")))),
      h("li", null, h("h3", null, "Keep these backup codes where your phone is not"), codes(offer.backup_codes, me)),
      h("li", null, h("h3", null, "Type the code that the app shows now"), form({}, async () => {
        await api.post("/user/confirm_two_factor", {
          two_factor_code: code.value.replace(/\s/g, ""), secret: offer.secret, backup_codes_signature: offer.backup_codes_signature,
        });
        announce("Two-factor authentication is on.");
        reload();
      }, field("Code", code), h("button", { type: "submit", class: "main" }, "Switch on")))));
    place.querySelector("h3").scrollIntoView({ block: "nearest" });
  }

  async function newCodes() {
    const offer = await api.get("/user/generate_two_factor_backups");
    place.replaceChildren(h("hr"), h("h3", null, "New backup codes"),
      h("p", null, "They take the place of the old ones when you say so."), codes(offer.backup_codes, me),
      form({}, async () => {
        await api.post("/user/generate_two_factor_backups", { backup_codes_signature: offer.backup_codes_signature });
        place.replaceChildren(good("The new codes are in force, the old ones no longer work."));
      }, h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "I have kept them, use them"))));
  }

  async function disable() {
    if (!(await confirmed("Switch two-factor authentication off?", "From then on your password alone is enough to sign in.", "Switch off"))) return;
    await api.post("/user/disable_two_factor");
    announce("Two-factor authentication is off.");
    reload();
  }
}

function codes(list, me) {
  const text = list.join("\n");
  return h("div", null,
    h("ul", { class: "codes mono" }, list.map((code) => h("li", null, code))),
    h("div", { class: "actions" }, copyButton(text, "the backup codes"), downloadButton(text, `flowauth-backup-codes-${me.name.replace(/\W+/g, "-")}.txt`, "the backup codes")));
}
