// My servers and my tokens.

import { api } from "../api.js";
import { announce, check, copyButton, dateText, downloadButton, field, form, h, heading, table } from "../elements.js";

export async function show() {
  const servers = await api.get("/tokens/servers");
  if (servers.length === 0) {
    return h("div", null, heading("Your tokens"), h("div", { class: "card empty" },
      h("p", null, "You hold no role on any server yet."), h("p", null, "Ask an admin of this FlowAuth to give you one.")));
  }
  return h("div", null, heading("Your tokens"),
    h("p", { class: "soft" }, "A token lets flowclient ask a FlowAPI server in your name. Treat it as a password."),
    await Promise.all(servers.map(section)));
}

async function section(server) {
  const [tokens, roles, access] = await Promise.all([
    api.get(`/tokens/tokens/${server.id}`), api.get(`/user/roles/server/${server.id}`), api.get(`/tokens/servers/${server.id}`),
  ]);
  const title = `server-${server.id}`;
  const element = h("section", { class: "card", "aria-labelledby": title });
  const made = h("div", { "aria-live": "polite" });
  const present = h("div", null);
  const name = h("input", { name: "name", required: true, maxlength: "75", autocomplete: "off" });
  const boxes = roles.map((role) => h("input", { type: "checkbox", value: role.name, checked: roles.length === 1 }));

  async function make() {
    const chosen = boxes.filter((box) => box.checked).map((box) => ({ name: box.value }));
    if (chosen.length === 0) throw new Error("Choose at least one role.");
    const { token } = await api.post(`/tokens/tokens/${server.id}`, { name: name.value.trim(), roles: chosen });
    made.replaceChildren(fresh(server, name.value.trim(), token));
    announce("Your token is ready.");
    name.value = "";
    fill(await api.get(`/tokens/tokens/${server.id}`));
  }

  function fill(all) {
    const now = Date.now();
    const valid = all.filter((token) => new Date(token.expires) > now).reverse();
    const expired = all.filter((token) => new Date(token.expires) <= now).reverse();
    present.replaceChildren(
      valid.length ? list(server, valid) : h("p", { class: "soft" }, "No valid token here yet."),
      expired.length ? h("details", null, h("summary", null, `${expired.length} expired`), list(server, expired)) : "");
  }
  fill(tokens);

  const newToken = form({ "aria-label": `New token for ${server.server_name}` }, make,
    field("Name of the new token", name, "For you, to tell your tokens apart."),
    h("fieldset", null, h("legend", null, "Roles in it"),
      h("div", { class: "checks" }, roles.map((role, index) =>
        h("label", { class: "check" }, boxes[index], h("span", null, role.name))))),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "Make token"),
      h("span", { class: "soft" }, `Valid until ${dateText(access.latest_expiry)} at the latest.`)));
  element.append(
    h("div", { class: "head" }, h("h2", { id: title }, server.server_name)),
    present, made,
    h("details", { open: tokens.length === 0 }, h("summary", null, "New token"), newToken));
  return element;
}

function fresh(server, name, token) {
  const example = `import flowclient\n\nconnection = flowclient.Connection(\n    url="https://ADDRESS-OF-FLOWAPI:9090",\n    token=open("${fileName(server, name)}").read().strip(),\n    ssl_certificate="CERTIFICATE.pem",\n)`;
  return h("div", { class: "notice" },
    h("h3", null, `Token ${name}`),
    h("code", { class: "token", tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": `Token ${name}` }, token),
    h("div", { class: "actions" }, copyButton(token, `token ${name}`), downloadButton(token, fileName(server, name), `token ${name}`)),
    h("details", null, h("summary", null, "How to use it with flowclient"), h("pre", { tabindex: "0" }, example)));
}

function list(server, tokens) {
  return table({ class: "stack" },
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Name"), h("th", { scope: "col" }, "Expires"), h("th", { scope: "col" }, h("span", { class: "soft" }, "")))),
    h("tbody", null, tokens.map((token) => h("tr", null,
      h("th", { scope: "row" }, token.name),
      h("td", null, expiry(token.expires)),
      h("td", { class: "row-actions" }, token.token
        ? [copyButton(token.token, `token ${token.name}`), downloadButton(token.token, fileName(server, token.name), `token ${token.name}`)]
        : h("span", { class: "soft" }, "cannot be read any more"))))));
}

function expiry(when) {
  const hours = (new Date(when) - Date.now()) / 36e5;
  const soon = hours <= 0 ? "expired" : hours < 1 ? "in minutes" : hours < 48 ? `in ${Math.round(hours)} hours` : `in ${Math.round(hours / 24)} days`;
  return [h("span", { class: hours <= 0 ? "tag bad" : "tag" }, soon), " ", h("span", { class: "soft" }, dateText(when))];
}

function fileName(server, name) {
  return `${server.server_name}-${name}`.replace(/[^A-Za-z0-9._-]+/g, "-") + ".token";
}
