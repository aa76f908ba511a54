// The bytes of a flow: each message in hex beside the tree of its fields; pointing at one marks the other.

import { look } from "/assets/api.js";
import { clock, h } from "/assets/dom.js";

const SHOWN = 2048; // bytes of a message drawn at first

export async function bytes(id) {
  const box = h("section", {}, h("h3", {}, "Bytes"));
  try {
    const found = await look(`bytes/${encodeURIComponent(id)}`);
    box.append(...found.messages.map(message), found.why ? h("p", { class: "soft" }, found.why) : "");
    if (found.more) box.append(h("p", { class: "soft" }, `${found.more} more messages: netlab export --pcapng has all`));
  } catch (error) {
    box.append(h("p", { class: "bad" }, error.message));
  }
  return box;
}

function message(found) {
  const title = `${clock(found.time)}  ${found.side}  ${found.protocol}: ${found.summary}`;
  const content = h("div", { class: "bytemap" });
  const folded = h("details", {}, h("summary", {}, title), content);
  folded.addEventListener("toggle", () => content.childElementCount || fill(content, found), { once: true });
  return folded;
}

function fill(content, found) {
  const octets = found.hex.match(/../g) || [];
  const cells = octets.slice(0, SHOWN).map((octet) => h("span", {}, octet));
  const lines = [];
  for (let at = 0; at < cells.length; at += 16) {
    const text = octets.slice(at, at + 16).map((octet) => printable(parseInt(octet, 16))).join("");
    lines.push(h("div", {}, h("span", { class: "soft" }, (found.offset + at).toString(16).padStart(6, "0")), " ", cells.slice(at, at + 16), h("span", { class: "text" }, text)));
  }
  const more = octets.length - cells.length + found.cut;
  if (more > 0) lines.push(h("div", { class: "soft" }, `${more} bytes more`));
  const mark = (field, on) => {
    for (let at = field.start; at < Math.min(field.end, cells.length); at++) cells[at].classList.toggle("marked", on);
  };
  content.append(h("div", { class: "hex", tabindex: "0" }, lines), tree(found.fields, mark));
}

const printable = (code) => (code > 31 && code < 127 ? String.fromCharCode(code) : "·");

function tree(fields, mark) {
  return h("ul", { class: "tree" }, fields.map((field) => {
    const line = h("div", { tabindex: "0", class: field.malformed ? "bad" : "" },
      h("b", {}, field.label), " ", String(field.value ?? ""), " ",
      h("span", { class: "soft" }, [field.meaning, field.section].filter(Boolean).join(" ")));
    for (const [begin, end] of [["mouseenter", "mouseleave"], ["focus", "blur"]]) {
      line.addEventListener(begin, () => mark(field, true));
      line.addEventListener(end, () => mark(field, false));
    }
    return h("li", {}, line, field.parts.length ? tree(field.parts, mark) : "");
  }));
}
