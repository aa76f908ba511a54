// The page: a list that follows the mailbox, one message beside it, and the keys.

import * as api from "./api.js";
import { address, byId, h, when } from "./dom.js";
import { PANELS, head } from "./panels.js";

const state = { query: "", shown: [], matching: 0, id: "", message: null, tab: "Text", asked: 0, drawn: 0, releases: false };

async function refresh() {
  const asked = ++state.asked;
  try {
    const told = await api.list(state.query);
    if (asked !== state.asked) return; // a later question is under way
    const known = new Set(told.messages.map((each) => each.ID));
    const older = state.shown.slice(50).filter((each) => !known.has(each.ID));
    state.shown = told.messages.length < 50 ? told.messages : [...told.messages, ...older];
    state.matching = told.messages_count;
    byId("count").textContent = `${told.total} message${told.total === 1 ? "" : "s"}, ${told.unread} unread${state.query ? `, ${told.messages_count} found` : ""}`;
    document.title = told.unread ? `(${told.unread}) Mail` : "Mail";
    drawList();
  } catch (error) {
    byId("count").textContent = error.message;
  }
}

let timer = 0;
const soon = () => {
  timer ||= setTimeout(() => {
    timer = 0;
    refresh();
  }, 150);
};

function drawList() {
  byId("list").replaceChildren(...state.shown.map(row));
  byId("empty").hidden = state.shown.length > 0;
  byId("older").hidden = state.shown.length >= state.matching;
  byId("delete-found").hidden = !state.query;
}

function row(summary) {
  const current = summary.ID === state.id;
  return h(
    "li",
    { class: summary.Read ? "" : "unread" },
    h(
      "a",
      { href: `#${summary.ID}`, "aria-current": current && "true" },
      h("div", { class: "top" }, h("span", { class: "who" }, address(summary.From)), h("span", { class: "when" }, `${summary.Attachments ? "📎 " : ""}${when(summary.Created)}`)),
      h("div", { class: "subject" }, summary.Subject || "(no subject)"),
      h("div", { class: "snippet" }, `to ${[...summary.To, ...summary.Cc, ...summary.Bcc].map((each) => each.Address).join(", ")} · ${summary.Snippet}`),
    ),
  );
}

async function open() {
  state.id = decodeURIComponent(location.hash.slice(1));
  document.querySelector("main").classList.toggle("reading", Boolean(state.id));
  drawList();
  document.querySelector("#list [aria-current]")?.scrollIntoView({ block: "nearest" });
  const pane = byId("message");
  pane.hidden = !state.id;
  if (!state.id) return;
  try {
    const message = await api.message(state.id);
    if (message.ID !== state.id && state.id !== "latest") return; // the reader has moved on
    state.message = message;
    if (!PANELS[state.tab] || (state.tab === "Text" && !message.Text && message.HTML)) state.tab = "HTML";
    if (state.tab === "HTML" && !message.HTML) state.tab = "Text";
    drawMessage();
  } catch (error) {
    pane.replaceChildren(h("p", { class: "bad" }, error.message));
  }
}

function drawMessage() {
  const { message } = state;
  const tabs = Object.keys(PANELS).map((name, at) =>
    h("button", { role: "tab", "aria-selected": String(name === state.tab), title: `Key ${at + 1}`, onclick: () => choose(name) }, name),
  );
  const actions = [
    h("button", { onclick: close }, "Back"),
    h("button", { onclick: unread }, "Mark unread"),
    h("button", { onclick: removeOne }, "Delete"),
    state.releases ? h("button", { onclick: release }, "Release…") : "",
  ];
  byId("message").replaceChildren(...head(message), h("div", { class: "actions" }, actions), h("div", { class: "tabs", role: "tablist" }, tabs), h("div", { id: "panel", role: "tabpanel" }));
  drawPanel();
}

async function drawPanel() {
  const drawn = ++state.drawn;
  let shown;
  try {
    shown = await PANELS[state.tab](state.message);
  } catch (error) {
    shown = h("p", { class: "bad" }, error.message);
  }
  if (drawn === state.drawn) byId("panel")?.replaceChildren(...[shown].flat());
}

function choose(name) {
  state.tab = name;
  drawMessage();
}

const close = () => {
  location.hash = "";
};

async function unread() {
  await api.mark([state.message.ID], false);
  close();
}

async function removeOne() {
  const at = state.shown.findIndex((each) => each.ID === state.id);
  const next = state.shown[at + 1] || state.shown[at - 1];
  await api.remove([state.message.ID]);
  location.hash = next ? next.ID : "";
}

async function release() {
  const named = [...state.message.To, ...state.message.Cc, ...state.message.Bcc].map((each) => each.Address);
  const to = prompt("Send this message to real addresses:", named.join(", "));
  if (!to) return;
  try {
    await api.release(state.message.ID, to.split(",").map((each) => each.trim()).filter(Boolean));
    alert(`It was sent to ${to}.`);
  } catch (error) {
    alert(error.message);
  }
}

function move(by) {
  const at = state.shown.findIndex((each) => each.ID === state.id);
  const next = state.shown[Math.min(Math.max(at + by, 0), state.shown.length - 1)];
  if (next) location.hash = next.ID;
}

const KEYS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  "/": () => byId("search").focus(),
  "?": () => byId("keys").showModal(),
  Escape: close,
  u: () => state.id && unread(),
  "#": () => state.id && removeOne(),
  Delete: () => state.id && removeOne(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  if (event.target.matches("input")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const tab = Object.keys(PANELS)[Number(event.key) - 1];
  const act = KEYS[event.key] || (tab && state.id && (() => choose(tab)));
  if (!act) return;
  event.preventDefault();
  act();
});

byId("search").addEventListener("input", (event) => {
  state.query = event.target.value.trim();
  state.shown = [];
  soon();
});
byId("older").addEventListener("click", async () => {
  const told = await api.list(state.query, state.shown.length);
  state.shown.push(...told.messages);
  drawList();
});
byId("all-read").addEventListener("click", () => api.mark([], true));
byId("delete-all").addEventListener("click", () => confirm("Delete all messages?") && api.remove([]).then(close));
byId("delete-found").addEventListener("click", () => confirm(`Delete ${state.matching} messages?`) && api.removeFound(state.query).then(close));
byId("help").addEventListener("click", () => byId("keys").showModal());
addEventListener("hashchange", open);

refresh();
open();
api.canRelease().then((can) => {
  state.releases = can;
  if (state.message) drawMessage();
});
api.follow(soon, (on) => {
  const live = byId("live");
  live.textContent = on ? "●" : "○";
  live.className = on ? "on" : "";
  live.title = on ? "new mail appears by itself" : "not connected; trying again";
});
