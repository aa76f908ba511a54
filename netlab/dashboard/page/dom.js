// Elements out of data: everything that was captured goes in as text, never as markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export const byId = (id) => document.getElementById(id);

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length);
  return `${(bytes / 1024 ** power).toPrecision(3)} ${units[power - 1]}`;
}

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (Math.abs(value) < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (Math.abs(value) < 1) return `${(value * 1000).toPrecision(3)} ms`;
  return Math.abs(value) < 120 ? `${value.toPrecision(3)} s` : `${(value / 60).toFixed(1)} min`;
}

export function clock(epoch) {
  const date = new Date(epoch * 1000);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export function table(heads, rows, attributes = {}) {
  return h("table", attributes, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows));
}

export const row = (...cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)));
