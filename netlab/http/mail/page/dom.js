// Elements out of data: everything a message says goes in as text, never as markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export const byId = (id) => document.getElementById(id);

export function address(contact) {
  if (!contact) return "(nobody)";
  return contact.Name ? `${contact.Name} <${contact.Address}>` : contact.Address || "(nobody)";
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length);
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

export function when(date) {
  const then = new Date(date);
  const today = then.toDateString() === new Date().toDateString();
  return today ? then.toLocaleTimeString() : then.toLocaleDateString();
}

export function seconds(value) {
  if (value === null) return "";
  if (Math.abs(value) < 1) return `${(value * 1000).toFixed(1)} ms`;
  return Math.abs(value) < 120 ? `${value.toFixed(1)} s` : `${(value / 60).toFixed(1)} min`;
}
