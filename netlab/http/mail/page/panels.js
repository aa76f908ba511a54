// What each tab of a message shows. Every function takes the message and answers elements.

import * as api from "./api.js";
import { address, h, seconds, size } from "./dom.js";

const nothing = (text) => h("p", { class: "soft" }, text);

async function text(message) {
  return message.Text ? h("pre", {}, message.Text) : nothing("The message has no text; see HTML, or the parts.");
}

// No script runs in this frame and nothing is loaded into it: the frame's sandbox says so, and the policy it is served with.
async function html(message) {
  if (!message.HTML) return nothing("The message has no HTML.");
  return h("iframe", { sandbox: "", title: "The message as HTML", src: api.htmlPath(message.ID), referrerpolicy: "no-referrer" });
}

async function source(message) {
  return [h("p", {}, h("a", { href: api.rawPath(message.ID) }, "Download")), h("pre", { class: "raw" }, await api.source(message.ID))];
}

async function parts(message) {
  const told = await api.explained(message.ID);
  return h("ul", { class: "tree" }, node(told.Tree, message.ID));
}

function node(part, id) {
  const facts = [part.FileName, part.Charset, part.Encoding, part.Disposition, part.ContentID && `cid:${part.ContentID}`];
  const place = `bytes ${part.Start} to ${part.End}`;
  return h(
    "li",
    {},
    h("a", { href: api.partPath(id, part.PartID), target: "_blank", rel: "noreferrer" }, part.ContentType),
    h("span", { class: "soft" }, ` ${part.PartID} · ${[...facts.filter(Boolean), size(part.End - part.Body), place].join(" · ")}`),
    part.Defects.map((defect) => h("div", {}, h("span", { class: "note" }, defect))),
    part.Parts.length ? h("ul", { class: "tree" }, part.Parts.map((each) => node(each, id))) : "",
  );
}

async function headers(message) {
  const told = await api.explained(message.ID);
  const fields = told.Headers.map(([name, value]) => h("tr", {}, h("td", { class: "name" }, name), h("td", {}, value)));
  return [h("table", {}, h("tbody", {}, fields)), h("h3", {}, "The way here"), way(told), h("h3", {}, "Leaving the list"), leaving(told.Unsubscribe)];
}

function way(told) {
  if (!told.Hops.length) return nothing("No Received fields: it came straight from its sender (RFC 5321 4.4).");
  const rows = told.Hops.map((hop) =>
    h(
      "tr",
      { title: hop.text },
      h("td", { class: "time" }, hop.time === null ? "" : new Date(hop.time * 1000).toLocaleString()),
      h("td", { class: hop.delay < 0 ? "time bad" : "time" }, hop.delay === null ? "" : `${hop.delay < 0 ? "" : "+"}${seconds(hop.delay)}`),
      h("td", {}, `${hop.clauses.from || "?"} → ${hop.clauses.by || "?"}`),
      h("td", {}, [hop.clauses.with, hop.clauses.id, hop.comment].filter(Boolean).join(" · ")),
    ),
  );
  return h("table", {}, h("tbody", {}, rows));
}

function leaving(told) {
  if (!told) return nothing("No List-Unsubscribe field (RFC 2369).");
  return h(
    "ul",
    {},
    told.links.map((link) => h("li", {}, h("code", {}, link))),
    told.one_click ? h("li", {}, "one click is enough (RFC 8058)") : "",
    told.problems.map((problem) => h("li", {}, h("span", { class: "note" }, problem))),
  );
}

async function links(message) {
  const told = await api.explained(message.ID);
  if (!told.Links.length) return nothing("The message leads nowhere and loads nothing.");
  const rows = told.Links.map((link) =>
    h("tr", {}, h("td", { class: "name" }, link.kind), h("td", {}, h("code", {}, link.url), link.text ? h("div", { class: "soft" }, link.text) : ""), h("td", {}, link.note ? h("span", { class: "note" }, link.note) : "")),
  );
  return h("table", {}, h("tbody", {}, rows));
}

async function transcript(message) {
  const told = await api.explained(message.ID);
  if (!told.Transcript.length) return nothing("It came without a conversation: it was imported.");
  const begun = told.Transcript[0].time;
  const rows = told.Transcript.map((line) =>
    h(
      "tr",
      { class: line.side },
      h("td", { class: "time" }, `+${seconds(line.time - begun)}`),
      h("td", { class: "name" }, line.side),
      h("td", { class: "said" }, line.text),
      h("td", { class: "name soft" }, line.section),
    ),
  );
  return [envelope(told.Envelope, told.Mailboxes), h("table", {}, h("tbody", {}, rows))];
}

function envelope(told, mailboxes) {
  const facts = {
    "Envelope from": told.sender ? `<${told.sender}>` : "<> (a bounce)",
    "Envelope to": told.recipients.map((each) => `<${each.address}>${each.notify ? ` NOTIFY=${each.notify}` : ""}`).join(", "),
    Came: [told.protocol, told.tls, told.body, told.client && `from ${told.client}`, told.helo && `as ${told.helo}`].filter(Boolean).join(", "),
    User: told.user,
    Mailboxes: mailboxes.filter(Boolean).join(", "),
  };
  return h("dl", { class: "facts" }, Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export const PANELS = { Text: text, HTML: html, Source: source, Parts: parts, Headers: headers, Links: links, Conversation: transcript };

export function head(message) {
  const facts = { From: address(message.From), To: message.To.map(address).join(", "), Cc: message.Cc.map(address).join(", "), Bcc: message.Bcc.map(address).join(", "), "Reply to": message.ReplyTo.map(address).join(", "), Date: new Date(message.Date).toLocaleString(), Size: size(message.Size) };
  const files = [...message.Attachments, ...message.Inline];
  return [
    h("h2", {}, message.Subject || "(no subject)"),
    h("dl", { class: "facts" }, Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    files.length ? h("div", { class: "files" }, files.map((file) => h("a", { href: api.partPath(message.ID, file.PartID), download: file.FileName, title: file.ContentType }, `${file.FileName} · ${size(file.Size)}`))) : "",
  ];
}
