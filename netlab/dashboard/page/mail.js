// The mail sink's newest messages; its own page shows each in full.

import { look } from "/assets/api.js";
import { h, row, size, table } from "/assets/dom.js";
import { poll } from "/assets/lab.js";

export function mail(view) {
  const draw = async () => {
    const found = await look("mail");
    const outside = { target: "_blank", rel: "noreferrer" };
    const subject = (one) => (found.page ? h("a", { href: `${found.page}/#${encodeURIComponent(one.id)}`, ...outside }, one.subject || "(no subject)") : one.subject);
    const rows = found.messages.map((one) => row(one.date.slice(0, 19).replace("T", " "), one.from, one.to, subject(one), size(one.size)));
    const count = `${found.total} ${found.total === 1 ? "message" : "messages"}, ${found.unread} unread`;
    view.replaceChildren(
      h("section", {}, h("h2", {}, "Mail"), h("p", {}, count, found.page ? [" · ", h("a", { href: found.page, ...outside }, "the mailbox's own page")] : ""),
        table(["received (UTC)", "from", "to", "subject", "size"], rows)),
    );
  };
  return poll(view, draw);
}
