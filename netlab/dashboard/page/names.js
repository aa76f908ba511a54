// What the resolver knows: numbers, and its cache name by name.

import { look } from "/assets/api.js";
import { h, row, table } from "/assets/dom.js";
import { poll } from "/assets/lab.js";

export function names(view) {
  const draw = async () => {
    const found = await look("resolver?action=dump");
    const { lines, ...numbers } = found;
    const simple = Object.entries(numbers).filter(([, value]) => typeof value !== "object");
    view.replaceChildren(
      h("section", {}, h("h2", {}, "Resolver"), table(["what", "is"], simple.map(([name, value]) => row(name, String(value))))),
      h("section", {}, h("h3", {}, "Cache"), h("pre", { class: "raw" }, (lines || []).join("\n"))),
    );
  };
  return poll(view, draw);
}
