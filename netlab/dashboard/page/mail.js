// The mail sink's newest messages; its own page shows each in full.

import { look } from "/assets/api.js";
import { h, row, size, table } from "/assets/dom.js";
import { poll } from "/assets/lab.js";

export function mail(view) {
  const draw = async () => {
    const found = await look("mail");
    const rows = found.messages.map((one) => row(one.date, one.from, one.to, one.subject, size(one.size)));
    view.replaceChildren(
      h("p", {}, `${found.total} messages. `, found.page ? h("a", { href: found.page, target: "_blank", rel: "noreferrer" }, "Read them") : ""),
      table(["received", "from", "to", "subject", "size"], rows),
    );
  };
  return poll(view, draw);
}
