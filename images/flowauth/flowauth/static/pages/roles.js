// Roles, for admins: who may do what on a server, and for how long at a time.

import { api } from "../api.js";
import { announce, confirmed, field, form, h, heading, limitFields, minutesText, table } from "../elements.js";
import { chooser } from "../scopes.js";

export async function list() {
  const [roles, servers] = await Promise.all([api.get("/roles/"), api.get("/admin/servers")]);
  return h("div", null, heading("Roles"),
    servers.length === 0 ? h("div", { class: "card empty" }, h("p", null, "Roles belong to servers."), h("p", null, h("a", { href: "#/servers/new" }, "Add a server first"))) : null,
    servers.map((server) => {
      const own = roles.filter((role) => role.server === server.id);
      return h("section", { class: "card", "aria-labelledby": `server-${server.id}` },
        h("div", { class: "head" }, h("h2", { id: `server-${server.id}` }, server.name),
          h("a", { class: "button", href: `#/roles/new/${server.id}`, "aria-label": `New role on ${server.name}` }, "New role")),
        own.length === 0 ? h("p", { class: "soft" }, "No role yet.") : table({ class: "stack" },
          h("thead", null, h("tr", null, ["Role", "Scopes", "Members", "Tokens"].map((text) => h("th", { scope: "col" }, text)))),
          h("tbody", null, own.map((role) => h("tr", null,
            h("th", { scope: "row" }, h("a", { href: `#/roles/${role.id}` }, role.name)),
            h("td", null, `${role.scopes.length} scopes`),
            h("td", null, `${role.users.length} ${role.users.length === 1 ? "member" : "members"}`),
            h("td", null, `for up to ${minutesText(role.longest_token_life_minutes)}`))))));
    }));
}

export async function add(context, serverId) {
  const limits = await api.get(`/admin/servers/${serverId}/time_limits`);
  return editor({
    name: "", scopes: [], users: [], server: Number(serverId),
    longest_token_life_minutes: limits.longest_token_life_minutes,
    latest_token_expiry: new Date(limits.latest_token_expiry).toISOString(),
  });
}

export async function edit(context, which) {
  return editor(await api.get(`/roles/${which}`));
}

async function editor(role) {
  const isNew = role.id === undefined;
  const [server, limits, scopes, users] = await Promise.all([
    api.get(`/admin/servers/${role.server}`), api.get(`/admin/servers/${role.server}/time_limits`),
    api.get(`/admin/servers/${role.server}/scopes`), api.get("/admin/users"),
  ]);
  users.sort((one, other) => one.name.localeCompare(other.name));
  const name = h("input", { name: "name", required: true, maxlength: "75", autocomplete: "off", value: role.name });
  const both = limitFields({ minutes: role.longest_token_life_minutes, latest: role.latest_token_expiry });
  const chosen = chooser(scopes, role.scopes);
  const members = users.map((user) => ({ user, input: h("input", { type: "checkbox", checked: role.users.includes(user.id) }) }));
  const rows = members.map(({ user, input }) => h("label", { class: "check" }, input, h("span", null, user.name)));
  const search = h("input", { type: "search", "aria-label": "Find a user", placeholder: "Find a user", oninput: () => {
    const wanted = search.value.toLowerCase();
    rows.forEach((row, index) => { row.hidden = !members[index].user.name.toLowerCase().includes(wanted); });
  } });

  async function save() {
    const body = {
      name: name.value.trim(), ...both.read(), scopes: chosen.read(),
      users: members.filter(({ input }) => input.checked).map(({ user }) => user.id),
    };
    if (isNew) await api.post("/roles/", { ...body, server_id: role.server });
    else await api.patch(`/roles/${role.id}`, body);
    announce(`${body.name} has been saved.`);
    location.hash = "#/roles";
  }

  async function remove() {
    if (!(await confirmed(`Delete ${role.name}?`, "Its members can make no more tokens with it. Tokens already made stay valid until they expire.", "Delete"))) return;
    await api.remove(`/roles/${role.id}`);
    announce(`${role.name} has been deleted.`);
    location.hash = "#/roles";
  }

  return h("div", null, heading(isNew ? `New role on ${server.name}` : `${role.name} on ${server.name}`),
    form({}, save,
      h("section", { class: "card", "aria-labelledby": "limits" }, h("h2", { id: "limits" }, "Name and limits"),
        field("Name", name), both.element,
        h("p", { class: "hint" }, `${server.name} allows ${minutesText(limits.longest_token_life_minutes)}, until ${new Date(limits.latest_token_expiry).toISOString().slice(0, 10)}.`)),
      h("section", { class: "card", "aria-labelledby": "scopes" }, h("h2", { id: "scopes" }, "Scopes"), chosen.element),
      h("section", { class: "card", "aria-labelledby": "members" }, h("h2", { id: "members" }, "Members"),
        users.length > 12 ? h("div", { class: "tools" }, search) : null,
        h("div", { class: "checks" }, rows)),
      h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, isNew ? "Add role" : "Save"),
        h("a", { class: "button", href: "#/roles" }, "Cancel"),
        isNew ? null : h("button", { type: "button", class: "bad end", onclick: remove }, "Delete role"))));
}
