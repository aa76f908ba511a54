// The page: one view at a time, chosen by tab or number; keys go to it.

import { byId, h } from "/assets/dom.js";
import { flows } from "/assets/flows.js";
import { lab } from "/assets/lab.js";
import { mail } from "/assets/mail.js";
import { names } from "/assets/names.js";
import { topics } from "/assets/topics.js";
import { upstreams } from "/assets/upstreams.js";

const VIEWS = [["Flows", flows], ["Upstreams", upstreams], ["Mail", mail], ["Topics", topics], ["DNS", names], ["Lab", lab]];
let current = { stop() {}, key() {} };

function live(on) {
  const mark = byId("live");
  mark.textContent = on ? "●" : "○";
  mark.className = on ? "on" : "";
  mark.title = on ? "live" : "not connected";
}

function choose(place) {
  current.stop();
  tabs.forEach((tab, number) => tab.setAttribute("aria-selected", String(number === place)));
  byId("view").replaceChildren();
  current = VIEWS[place][1](byId("view"), live);
}

const tabs = VIEWS.map(([name], place) => h("button", { role: "tab", onclick: () => choose(place) }, name));
byId("tabs").append(...tabs);
byId("help").addEventListener("click", () => byId("keys").showModal());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input,textarea,select");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const place = Number(event.key) - 1;
  if (event.key === "?") byId("keys").showModal();
  else if (Number.isInteger(place) && VIEWS[place]) choose(place);
  else current.key(event);
});

choose(0);
