// One flow in detail: facts, waterfall with its legs, events and fields with their meaning, bytes with their map.

import { look } from "/assets/api.js";
import { bytes } from "/assets/bytes.js";
import { clock, h, row, seconds, size, table } from "/assets/dom.js";

export async function show(element, id, open) {
  let found;
  try {
    found = await look(`flow/${encodeURIComponent(id)}`);
  } catch (error) {
    element.replaceChildren(h("p", { class: "bad" }, error.message));
    return;
  }
  const { flow, parent, children } = found;
  element.replaceChildren(
    h("h2", {}, flow.label || `${flow.kind} ${flow.client} → ${flow.server}`),
    facts(flow, parent, open),
    waterfall(flow, children, open),
    details(flow.details),
    ...(flow.events || []).map((event) => occurrence(event, flow, found.meanings)),
    flow.events ? "" : h("p", { class: "soft" }, `recorded at level ${flow.level}: without events and bytes (netlab up records all, serve with --record full)`),
    await bytes(flow.id),
  );
  element.scrollTop = 0;
}

function facts(flow, parent, open) {
  const pairs = [
    ["flow", `${flow.id}, ${flow.kind}, ${flow.service}`],
    ["answer", `${flow.result} ${flow.outcome || "open"}`],
    ["from, to", `${flow.client} → ${flow.server}`],
    ["began", `${clock(flow.started)}${flow.ended === null ? "" : `, took ${seconds(flow.ended - flow.started)}`}`],
    ["content", `${size(flow.received)} in, ${size(flow.sent)} out`],
  ];
  const links = parent ? [["on", h("button", { class: "link", onclick: () => open(parent.id) }, `${parent.kind} ${parent.id} ${parent.label}`)]] : [];
  return h("dl", { class: "facts" }, [...pairs, ...links].map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function waterfall(flow, children, open) {
  if (!children.length || flow.ended === null) return "";
  const all = [flow, ...children].filter((one) => one.ended !== null);
  const begin = Math.min(...all.map((one) => one.started));
  const end = Math.max(...all.map((one) => one.ended), begin + 1e-6);
  const place = (time) => Math.round((100000 * (time - begin)) / (end - begin)) / 1000;
  const bars = all.map((one) => {
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.setAttribute("viewBox", "0 0 100 1");
    drawing.setAttribute("preserveAspectRatio", "none");
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    bar.setAttribute("x", place(one.started));
    bar.setAttribute("width", Math.max(place(one.ended) - place(one.started), 0.3));
    bar.setAttribute("height", "1");
    bar.setAttribute("class", one.outcome);
    drawing.append(bar);
    const name = h("button", { class: "link", onclick: () => open(one.id) }, `${one.service} ${one.label}`);
    return h("tr", {}, h("td", { class: "name" }, one === flow ? name : ["└ ", name]), h("td", { class: "bar" }, drawing), h("td", { class: "took" }, seconds(one.ended - one.started)));
  });
  return h("section", {}, h("h3", {}, "Waterfall"), h("table", { class: "waterfall" }, h("tbody", {}, bars)));
}

function details(found) {
  const known = Object.entries(found || {});
  return known.length ? section("Facts", table(["what", "is"], known.map(([name, value]) => row(name, plain(value))))) : "";
}

const plain = (value) => (typeof value === "object" ? JSON.stringify(value, null, 1) : String(value));
const section = (title, ...content) => h("section", {}, h("h3", {}, title), content);

function occurrence(event, flow, meanings) {
  const { fields, body, ...rest } = event.fields;
  const after = seconds(event.time - flow.started);
  const line = h("h3", {}, event.name, h("span", { class: "soft" }, `  ${event.side}, after ${after || "0 µs"}`));
  const known = Object.entries(rest).filter(([, value]) => value !== null && value !== "" && plain(value) !== "[]");
  const pairs = known.map(([name, value]) => row(name, plain(value)));
  const heads = Array.isArray(fields) ? fields.map(([name, value]) => headed(name, value, meanings[name])) : [];
  return h("section", {}, line,
    pairs.length ? h("table", { class: "pairs" }, h("tbody", {}, pairs)) : "",
    heads.length ? table(["field", "value", "meaning"], heads) : "",
    body ? h("pre", { class: "raw" }, body.text ?? body.base64) : "");
}

function headed(name, value, known) {
  const meaning = known ? [known.meaning, " ", h("span", { class: "soft" }, known.section)] : h("span", { class: "soft" }, "not registered");
  return h("tr", {}, h("td", { class: "name" }, name), h("td", { class: "value" }, value), h("td", {}, meaning));
}
