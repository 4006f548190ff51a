// The scope chooser: hundreds of scopes as a table of query kinds by aggregation units.
//
// A scope is an action ("run"), or unit:kind:part, where the part is what the query of that kind is made of.

import { h, id, table } from "./elements.js";

/** `scopes` as the interface lists them; `chosen` are ids. `read` gives the ids chosen now. */
export function chooser(scopes, chosen) {
  const selected = new Set(chosen);
  const actions = [];
  const kinds = new Map(); // kind → part → unit → scope
  const units = [];
  for (const scope of scopes) {
    const pieces = scope.name.split(":");
    if (pieces.length !== 3) { actions.push(scope); continue; }
    const [unit, kind, part] = pieces;
    if (!units.includes(unit)) units.push(unit);
    if (!kinds.has(kind)) kinds.set(kind, new Map());
    const parts = kinds.get(kind);
    if (!parts.has(part)) parts.set(part, new Map());
    parts.get(part).set(unit, scope);
  }
  actions.sort(byName);
  units.sort((one, other) => order(one).localeCompare(order(other)));
  const boxes = []; // { input, ids }: every checkbox, and what it stands for
  const rows = []; // { kind, part, row, expander }
  const count = h("strong", { "aria-live": "polite" });

  function box(ids, label) {
    const input = h("input", { type: "checkbox", "aria-label": label, onchange: () => {
      ids.forEach((each) => { if (input.checked) selected.add(each); else selected.delete(each); });
      refresh();
    } });
    boxes.push({ input, ids });
    return input;
  }

  function refresh() {
    for (const { input, ids } of boxes) {
      const number = ids.reduce((sum, each) => sum + (selected.has(each) ? 1 : 0), 0);
      input.checked = number === ids.length && number > 0;
      input.indeterminate = number > 0 && number < ids.length;
    }
    count.textContent = `${selected.size} of ${scopes.length} chosen`;
  }

  const idsOf = (kind, unit) => [...kinds.get(kind).values()].flatMap((byUnit) =>
    unit === undefined ? [...byUnit.values()].map((scope) => scope.id) : byUnit.has(unit) ? [byUnit.get(unit).id] : []);

  function kindRows(kind) {
    const parts = [...kinds.get(kind).keys()].sort();
    const expander = h("button", { type: "button", "aria-expanded": "false", "aria-label": `Parts of ${kind}`, onclick: () => {
      expand(kind, expander.getAttribute("aria-expanded") !== "true");
    } });
    const row = h("tr", null,
      h("th", { scope: "row" }, h("span", { class: "kind" }, expander, box(idsOf(kind), `${kind}, every unit`), h("span", null, breakable(kind)))),
      units.map((unit) => {
        const ids = idsOf(kind, unit);
        return h("td", null, ids.length ? box(ids, `${kind}, ${unit}`) : null);
      }));
    rows.push({ kind, row, expander });
    return [row, ...parts.map((part) => {
      const nested = h("tr", { class: "nested", hidden: true },
        h("th", { scope: "row" }, breakable(part), part === kind ? " itself" : null),
        units.map((unit) => {
          const scope = kinds.get(kind).get(part).get(unit);
          return h("td", null, scope ? box([scope.id], scope.name) : null);
        }));
      rows.push({ kind, part, row: nested });
      return nested;
    })];
  }

  function expand(kind, open) {
    for (const each of rows.filter((row) => row.kind === kind)) {
      if (each.expander) each.expander.setAttribute("aria-expanded", String(open));
      else each.row.hidden = !open;
    }
  }

  const search = h("input", { type: "search", placeholder: "Find a query, such as daily_location", "aria-label": "Find a scope", oninput: filter });
  const none = h("p", { class: "soft", hidden: true }, "No query has that in its name.");
  function filter() {
    const wanted = search.value.trim().toLowerCase().replace(/\s+/g, "_");
    let shown = 0;
    for (const kind of kinds.keys()) {
      const inKind = kind.includes(wanted);
      const inParts = [...kinds.get(kind).keys()].filter((part) => part.includes(wanted));
      const visible = inKind || inParts.length > 0;
      if (visible) shown += 1;
      for (const each of rows.filter((row) => row.kind === kind)) {
        if (each.expander) {
          each.row.hidden = !visible;
          each.expander.setAttribute("aria-expanded", String(Boolean(wanted) && visible && !inKind));
        } else {
          each.row.hidden = !wanted || inKind || !inParts.includes(each.part);
        }
      }
    }
    none.hidden = shown > 0;
  }

  function choose(ids, yes) {
    ids.forEach((each) => { if (yes) selected.add(each); else selected.delete(each); });
    refresh();
  }

  const all = scopes.map((scope) => scope.id);
  const sorted = [...kinds.keys()].sort();
  const element = h("div", null,
    h("div", { class: "tools" }, count,
      h("button", { type: "button", onclick: () => choose(all, true) }, "Choose all"),
      h("button", { type: "button", onclick: () => choose(all, false) }, "Choose none")),
    actions.length ? h("fieldset", null, h("legend", null, "Actions"),
      h("div", { class: "checks" }, actions.map((scope) => {
        const input = box([scope.id], null);
        return h("label", { class: "check" }, input, h("span", null, scope.name));
      }))) : null,
    kinds.size ? h("fieldset", null, h("legend", null, "Queries and the units they may be asked for"),
      h("div", { class: "tools" }, search),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Queries by unit" },
        table({ class: "scopes" },
          h("thead", null, h("tr", null, h("th", { scope: "col" }, "Query"), units.map((unit) => {
            const input = box(sorted.flatMap((kind) => idsOf(kind, unit)), `Every query, ${unit}`);
            input.id = id("unit");
            return h("th", { scope: "col" }, h("label", { for: input.id }, input, unit));
          }))),
          h("tbody", null, sorted.map(kindRows)))), none) : null);
  refresh();
  return { element, read: () => [...selected] };
}

// A long name may be broken after an underscore
const breakable = (name) => name.split(/(?<=_)/).flatMap((piece) => [piece, document.createElement("wbr")]);
const byName = (one, other) => one.name.localeCompare(other.name);
// admin0…admin3 first, then the rest, what has no unit last
const order = (unit) => (unit.startsWith("admin") ? `0${unit}` : unit === "nonspatial" ? `2${unit}` : `1${unit}`);
