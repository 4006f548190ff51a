// Elements: small makers of what every page has. No page of its own.

/** An element. Properties that begin with "on" are listeners; null and false are left out. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name === "class" ? "class" : name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A table that stays one to screen readers when a phone shows its rows as blocks. */
export function table(properties, ...children) {
  const made = h("table", { role: "table", ...properties }, ...children);
  const roles = { thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell", "th[scope=col]": "columnheader", "th[scope=row]": "rowheader" };
  for (const [selector, role] of Object.entries(roles)) {
    made.querySelectorAll(selector).forEach((each) => each.setAttribute("role", role));
  }
  return made;
}

let counter = 0;
export const id = (word) => `${word}-${++counter}`;

/** A labelled input. `input` may be any control. */
export function field(label, input, hint) {
  input.id ||= id("field");
  const hints = hint ? h("p", { class: "hint", id: `${input.id}-hint` }, hint) : null;
  if (hints) input.setAttribute("aria-describedby", hints.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, hints);
}

export function check(label, properties) {
  return h("label", { class: "check" }, h("input", { type: "checkbox", ...properties }), h("span", null, label));
}

/** A form that sends, says what went wrong beside the field it is about, and cannot be sent twice. */
export function form(properties, send, ...children) {
  const problems = h("div", { role: "alert" });
  const made = h("form", { novalidate: true, ...properties, onsubmit: submitted }, problems, ...children);
  async function submitted(event) {
    event.preventDefault();
    clearProblems(made, problems);
    if (!requireFilled(made)) return;
    const buttons = [...made.querySelectorAll("button[type=submit]")];
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await send(made);
    } catch (problem) {
      tell(made, problems, problem);
    } finally {
      buttons.forEach((button) => { button.disabled = false; });
    }
  }
  return made;
}

function requireFilled(made) {
  const missing = [...made.elements].filter((control) => control.required && !control.value.trim());
  missing.forEach((control) => mark(control, "This is needed."));
  missing[0]?.focus();
  return missing.length === 0;
}

function clearProblems(made, problems) {
  problems.replaceChildren();
  made.querySelectorAll(".wrong").forEach((each) => each.remove());
  made.querySelectorAll("[aria-invalid]").forEach((each) => {
    each.removeAttribute("aria-invalid");
    const hint = `${each.id}-hint`;
    if (document.getElementById(hint)) each.setAttribute("aria-describedby", hint);
    else each.removeAttribute("aria-describedby");
  });
}

function mark(control, message) {
  const wrong = h("p", { class: "wrong", id: id("wrong") }, message);
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", wrong.id);
  control.after(wrong);
}

function tell(made, problems, problem) {
  const name = problem.body?.bad_field;
  const control = name ? made.querySelector(`[name="${CSS.escape(name)}"]`) : null;
  const suggestions = problem.body?.suggestions ?? [];
  if (control && control.type !== "checkbox") {
    mark(control, [problem.message, ...suggestions].join(" "));
    control.focus();
  } else {
    problems.replaceChildren(bad(problem.message));
    problems.scrollIntoView({ block: "nearest" });
  }
  if (!problem.body) console.error(problem);
}

export const bad = (message) => h("p", { class: "notice bad" }, message);
export const good = (message) => h("p", { class: "notice" }, message);

/** Says something for a few seconds, to eyes and screen readers. */
export function announce(message) {
  const status = document.getElementById("status");
  status.replaceChildren(h("span", null, message));
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => status.replaceChildren(), 4000);
}

export function copyButton(text, what) {
  return h("button", { type: "button", "aria-label": `Copy ${what}`, onclick: copy }, "Copy");
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = h("textarea", { readonly: true }, text);
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    announce(`Copied ${what}.`);
  }
}

export function downloadButton(text, file, what) {
  return h("button", { type: "button", "aria-label": `Download ${what}`, onclick: download }, "Download");
  function download() {
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    h("a", { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }
}

/** Resolves to true when the person means it. */
export function confirmed(title, text, verb) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "confirm-title", onclose: closed },
      h("h2", { id: "confirm-title" }, title),
      h("p", null, text),
      h("div", { class: "actions" },
        h("button", { type: "button", class: "bad", onclick: () => dialog.close("yes") }, verb),
        h("button", { type: "button", autofocus: true, onclick: () => dialog.close("") }, "Cancel")));
    document.body.append(dialog);
    dialog.showModal();
    function closed() {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    }
  });
}

/** A title with actions beside it; the router moves the focus here. */
export function heading(title, ...actions) {
  return h("div", { class: "head" }, h("h1", { tabindex: "-1" }, title), ...actions);
}

export function dateText(value) {
  return new Date(value).toLocaleString(undefined, {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
  });
}

const UNITS = [["days", 1440], ["hours", 60], ["minutes", 1]];

export function minutesText(minutes) {
  const [unit, size] = UNITS.find(([, each]) => minutes % each === 0);
  const number = minutes / size;
  return `${number} ${number === 1 ? unit.slice(0, -1) : unit}`;
}

/** The two limits of a server or a role, as fields; `read` gives what the interface wants. */
export function limitFields(limits) {
  const [unit, size] = UNITS.find(([, each]) => limits.minutes % each === 0);
  const number = h("input", {
    type: "number", min: "1", step: "1", required: true, name: "longest_token_life_minutes", value: String(limits.minutes / size),
  });
  const units = h("select", { "aria-label": "Unit of the longest life" },
    UNITS.map(([name]) => h("option", { value: name, selected: name === unit }, name)));
  const date = h("input", { type: "date", required: true, name: "latest_token_expiry", value: limits.latest.slice(0, 10) });
  number.id = id("field");
  const element = h("div", null,
    h("div", { class: "field" },
      h("label", { for: number.id }, "Longest life of a token"),
      h("div", { class: "pair" }, number, units)),
    field("No token is valid after", date, "The end of that day, UTC."));
  const read = () => {
    const chosen = UNITS.find(([name]) => name === units.value)[1];
    return {
      longest_token_life_minutes: Math.round(Number(number.value) * chosen),
      // What was not touched stays as it was to the second
      latest_token_expiry: date.value === limits.latest.slice(0, 10) ? limits.latest : `${date.value}T23:59:59.0Z`,
    };
  };
  return { element, read };
}

/** A password that nobody guesses and everybody can read out. */
export function newPassword() {
  const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  const random = crypto.getRandomValues(new Uint32Array(20));
  const text = [...random].map((number) => letters[number % letters.length]).join("");
  return text.match(/.{5}/g).join("-");
}
