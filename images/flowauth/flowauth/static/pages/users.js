// Users, for admins.

import { api } from "../api.js";
import { announce, check, confirmed, copyButton, field, form, h, heading, newPassword } from "../elements.js";

export async function list() {
  const users = await api.get("/admin/users");
  users.sort((one, other) => one.name.localeCompare(other.name));
  const items = users.map((user) => h("li", null, h("a", { href: `#/users/${user.id}` }, h("strong", null, user.name), h("span", { "aria-hidden": "true" }, "›"))));
  const search = h("input", { type: "search", "aria-label": "Find a user", placeholder: "Find a user", oninput: filter });
  function filter() {
    const wanted = search.value.toLowerCase();
    items.forEach((item, index) => { item.hidden = !users[index].name.toLowerCase().includes(wanted); });
  }
  return h("div", null, heading("Users", h("a", { class: "button main", href: "#/users/new" }, "New user")),
    users.length > 8 ? h("div", { class: "tools" }, search) : null,
    h("div", { class: "card flush" }, h("ul", { class: "list" }, items)));
}

export async function edit({ me, reload }, which) {
  const isNew = which === "new";
  const [user, roles, servers] = await Promise.all([
    isNew ? { name: "", is_admin: false, require_two_factor: false, has_two_factor: false, roles: [] } : api.get(`/admin/users/${which}`),
    api.get("/roles/"), api.get("/admin/servers"),
  ]);
  const held = new Set(user.roles.map((role) => role.id));
  const name = h("input", { name: "username", required: true, maxlength: "75", autocomplete: "off", autocapitalize: "none", spellcheck: "false", value: user.name });
  const password = h("input", { name: "password", autocomplete: "off", spellcheck: "false", class: "mono", required: isNew });
  const copy = h("span", null);
  const admin = check("May change users, servers and roles (admin)", { name: "is_admin", checked: user.is_admin });
  const must = check("Must use two-factor authentication", { name: "require_two_factor", checked: user.require_two_factor });
  const boxes = roles.map((role) => ({ role, input: h("input", { type: "checkbox", checked: held.has(role.id) }) }));

  function suggest() {
    password.value = newPassword();
    copy.replaceChildren(copyButton(password.value, "the password"));
  }

  async function save() {
    const body = { username: name.value.trim(), is_admin: admin.firstChild.checked, require_two_factor: must.firstChild.checked };
    if (password.value) body.password = password.value;
    const { id } = isNew ? await api.post("/admin/users", body) : await api.patch(`/admin/users/${which}`, body);
    for (const { role, input } of boxes.filter((box) => box.input.checked !== held.has(box.role.id))) {
      const users = role.users.filter((each) => each !== id);
      await api.patch(`/roles/${role.id}`, { users: input.checked ? [...users, id] : users });
    }
    announce(`${body.username} has been saved.`);
    if (id === me.id) await reload();
    location.hash = "#/users";
  }

  async function resetTwoFactor() {
    if (!(await confirmed(`Reset two-factor authentication of ${user.name}?`, "The password alone will be enough until it is set up again.", "Reset"))) return;
    await api.patch(`/admin/users/${which}`, { has_two_factor: false });
    announce("Two-factor authentication has been reset.");
    reload();
  }

  async function remove(event) {
    if (!(await confirmed(`Delete ${user.name}?`, "Tokens already made stay valid until they expire.", "Delete"))) return;
    try {
      await api.remove(`/admin/users/${which}`);
    } catch (problem) {
      event.target.form.querySelector("[role=alert]").replaceChildren(h("p", { class: "notice bad" }, problem.message));
      return;
    }
    announce(`${user.name} has been deleted.`);
    location.hash = "#/users";
  }

  return h("div", null, heading(isNew ? "New user" : user.name),
    form({ class: "card" }, save,
      field("User name", name),
      field(isNew ? "Password" : "New password", password, isNew ? "Hand it over safely; the user can change it." : "Leave empty to keep the present one."),
      h("div", { class: "actions" }, h("button", { type: "button", onclick: suggest }, "Suggest a password"), copy),
      h("h3", null, "Rights"), admin, must,
      user.has_two_factor
        ? h("p", null, h("span", { class: "tag" }, "two-factor on"), " ", h("button", { type: "button", onclick: resetTwoFactor }, "Reset two-factor"))
        : null,
      servers.map((server) => {
        const own = boxes.filter(({ role }) => role.server === server.id);
        return own.length === 0 ? null : h("fieldset", null, h("legend", null, `Roles on ${server.name}`),
          h("div", { class: "checks" }, own.map(({ role, input }) => h("label", { class: "check" }, input, h("span", null, role.name)))));
      }),
      h("div", { class: "actions" },
        h("button", { type: "submit", class: "main" }, "Save"), h("a", { class: "button", href: "#/users" }, "Cancel"),
        isNew ? null : h("button", { type: "button", class: "bad end", onclick: remove }, "Delete user"))));
}
