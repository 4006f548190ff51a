// Servers, for admins: FlowAPIs, known by their specification.

import { api } from "../api.js";
import { announce, bad, confirmed, field, form, good, h, heading, limitFields, minutesText } from "../elements.js";

export async function list() {
  const servers = await api.get("/admin/servers");
  const limits = await Promise.all(servers.map((server) => api.get(`/admin/servers/${server.id}/time_limits`)));
  return h("div", null, heading("Servers", h("a", { class: "button main", href: "#/servers/new" }, "New server")),
    servers.length === 0
      ? h("div", { class: "card empty" }, h("p", null, "No FlowAPI is known here yet."), h("p", null, "Add one with the specification that it serves at /api/0/spec/openapi.json."))
      : h("div", { class: "card flush" }, h("ul", { class: "list" }, servers.map((server, index) =>
        h("li", null, h("a", { href: `#/servers/${server.id}` }, h("strong", null, server.name),
          h("span", { class: "soft" }, `tokens for up to ${minutesText(limits[index].longest_token_life_minutes)} ›`)))))));
}

export async function edit(context, which) {
  const isNew = which === "new";
  const path = `/admin/servers/${which}`;
  const nextYear = `${new Date().getUTCFullYear() + 1}-12-31T23:59:59.0Z`;
  const [server, limits, scopes] = isNew
    ? [{ name: "" }, { longest_token_life_minutes: 2880, latest_token_expiry: nextYear }, []]
    : await Promise.all([api.get(path), api.get(`${path}/time_limits`), api.get(`${path}/scopes`)]);
  const latest = new Date(limits.latest_token_expiry).toISOString();
  const both = limitFields({ minutes: limits.longest_token_life_minutes, latest });
  const known = new Map(scopes.map((scope) => [scope.name, scope]));
  let wanted = null; // the scopes of a specification that was just read
  const name = h("input", { name: "name", required: true, maxlength: "75", autocomplete: "off", value: server.name });
  const found = h("div", { role: "status" });

  function take(api_) {
    wanted = api_.scopes;
    if (isNew) name.value = api_.name;
    found.replaceChildren(
      !isNew && api_.name !== server.name ? bad(`This is the specification of ${api_.name}, not of ${server.name}.`) : "",
      difference(known, wanted, isNew));
  }

  const file = h("input", { type: "file", accept: ".json,application/json",
    // The same file again, corrected, is a choice too
    onclick: () => { file.value = ""; },
    onchange: async () => {
    found.replaceChildren();
    if (!file.files[0]) return;
    try {
      take(read(JSON.parse(await file.files[0].text())));
    } catch (problem) {
      found.replaceChildren(bad(problem instanceof SyntaxError ? "This file is not JSON." : problem.message));
    }
  } });

  async function save() {
    const body = { name: name.value.trim(), ...both.read() };
    if (isNew) {
      if (!wanted) throw new Error("Choose a specification first: it says which scopes the server knows.");
      const { id } = await api.post("/admin/servers", { ...body, scopes: wanted });
      announce(`${body.name} has been added.`);
      location.hash = `#/roles/new/${id}`;
      return;
    }
    await api.patch(path, body);
    if (wanted) {
      // What was switched off stays off
      await api.post(`${path}/scopes`, Object.fromEntries(wanted.map((scope) => [scope, known.get(scope)?.enabled ?? true])));
    }
    announce(`${body.name} has been saved.`);
    location.hash = "#/servers";
  }

  async function remove() {
    if (!(await confirmed(`Delete ${server.name}?`, "Its roles and the list of its tokens go too. Tokens already made stay valid until they expire.", "Delete"))) return;
    await api.remove(path);
    announce(`${server.name} has been deleted.`);
    location.hash = "#/servers";
  }

  return h("div", null, heading(isNew ? "New server" : server.name,
    isNew ? null : h("a", { class: "button", href: `#/roles/new/${which}` }, "New role here")),
    h("section", { class: "card", "aria-labelledby": "spec" },
      h("h2", { id: "spec" }, isNew ? "Specification" : "New specification"),
      h("p", { class: "soft" }, "FlowAPI serves it at /api/0/spec/openapi.json; FlowAPI's name and scopes are in it."),
      field("From a file", file),
      h("details", null, h("summary", null, "From FlowAPI's address"), fetcher(take, found)),
      found,
      isNew ? null : h("details", null, h("summary", null, `${scopes.length} scopes now`), names(scopes.map((scope) => scope.name)))),
    form({ class: "card", "aria-label": "Name and limits" }, save,
      h("h2", null, "Name and limits"),
      field("Name", name, "Must be FlowAPI's FLOWAPI_IDENTIFIER: tokens are made for this name."),
      both.element,
      h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, isNew ? "Add server" : "Save"),
        h("a", { class: "button", href: "#/servers" }, "Cancel"),
        isNew ? null : h("button", { type: "button", class: "bad end", onclick: remove }, "Delete server"))));
}

function fetcher(take, found) {
  const url = h("input", { name: "url", type: "url", required: true, placeholder: "https://flowkit.api:9090", autocomplete: "off" });
  const certificate = h("input", { type: "file", accept: ".pem,.crt,.cer" });
  return form({}, async () => {
    const body = { url: url.value };
    if (certificate.files[0]) body.certificate = await certificate.files[0].text();
    found.replaceChildren(h("p", { class: "soft" }, "Asking…"));
    try {
      take(await api.post("/admin/servers/specification", body));
    } catch (problem) {
      found.replaceChildren();
      throw problem;
    }
  },
  field("Address", url, "FlowAuth asks it over HTTPS, from where FlowAuth runs."),
  field("Certificate of its authority (PEM)", certificate, "Only if FlowAPI's certificate is not a public one."),
  h("button", { type: "submit" }, "Fetch"));
}

/** Name and scopes of an OpenAPI document of FlowAPI. */
export function read(document_) {
  const scheme = document_?.components?.securitySchemes?.token;
  const scopes = scheme?.["x-security-scopes"];
  if (typeof scheme?.["x-audience"] !== "string" || !Array.isArray(scopes) || !scopes.length || !scopes.every((scope) => typeof scope === "string")) {
    throw new Error("This is not the specification of a FlowAPI 1.18 or later.");
  }
  return { name: scheme["x-audience"], scopes: [...new Set(scopes)].sort() };
}

function difference(known, wanted, isNew) {
  if (isNew) return h("div", { class: "notice" }, h("details", null, h("summary", null, `${wanted.length} scopes found`), names(wanted)));
  const added = wanted.filter((scope) => !known.has(scope));
  const kept = new Set(wanted);
  const gone = [...known.keys()].filter((scope) => !kept.has(scope));
  if (!added.length && !gone.length) return good("Nothing changes: these are the scopes that the server has.");
  return h("div", { class: "notice" },
    h("p", null, `Saving adds ${added.length} scopes and takes away ${gone.length}, from the roles too.`),
    added.length ? h("details", null, h("summary", null, `${added.length} new`), names(added)) : null,
    gone.length ? h("details", null, h("summary", null, `${gone.length} gone`), names(gone)) : null);
}

function names(scopes) {
  return h("pre", { tabindex: "0", "aria-label": "Scopes" }, scopes.join("\n"));
}
