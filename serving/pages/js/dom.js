// Elements from plain values: text is always text, never markup.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) set(made, key, value);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.flat());
  return made;
}

function set(made, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
  else if (key in made && typeof value !== "string") made[key] = value;
  else made.setAttribute(key, value === true ? "" : value);
}

export const panel = (heading, ...children) => el("section", { class: "panel" }, heading && el("h2", {}, heading), ...children);
export const head = (heading, lead) => [el("h1", {}, heading), el("p", { class: "lead" }, lead)];
export const note = (text, bad = false) => el("p", { class: bad ? "note bad" : "note", role: bad ? "alert" : "status" }, text);

export function figures(pairs) {
  return el("dl", { class: "figures" }, pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
}

// Columns are [heading, row => value, "n" for numbers or "t" for long text]; a value may be an element.
export function table(columns, rows, caption) {
  const heads = columns.map(([name, , kind]) => el("th", { class: kind, scope: "col" }, name));
  const body = rows.map((row) => el("tr", {}, columns.map(([, value, kind]) => el("td", { class: kind }, value(row) ?? ""))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body)));
}

export function bar(share, kind, label) {
  const filled = el("i");
  filled.style.width = `${Math.round(100 * Math.max(0, Math.min(1, share)))}%`;
  return el("div", { class: `bar ${kind}`, role: "img", "aria-label": label }, filled);
}

export const field = (text, input) => el("label", {}, text, input);

export function ago(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [0.001, "ms"];
  const count = seconds / size;
  return `${count >= 10 ? Math.round(count) : count.toFixed(1).replace(/\.0$/, "")} ${unit}`;
}

export const percent = (share, digits = 1) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`);
export const minute = (time) => (time ? time.slice(0, 16).replace("T", " ") : "");
export const number = (value, digits = 3) => (value === null || value === undefined ? "–" : Number(value.toPrecision(digits)).toLocaleString("en"));
export const counted = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
