// The view of flows: a live list with a filter, and one flow in detail beside it.

import { follow, look } from "/assets/api.js";
import { clock, h, seconds, size } from "/assets/dom.js";
import { show } from "/assets/flow.js";
import { VirtualList } from "/assets/list.js";

const MOST = 20000;

export function flows(view, live) {
  let kept = [];
  let missed = 0;
  let paused = false;
  let stop = () => {};
  let later = null;

  const filter = h("input", {
    type: "search", id: "filter", autocomplete: "off", spellcheck: "false",
    placeholder: 'Filter: status >= 400, host contains "shop", kind == dns, outcome != ok', "aria-label": "Filter",
  });
  const said = h("span", { class: "soft", role: "status" });
  const pause = h("button", { onclick: () => hold(!paused) }, "Pause");
  const detail = h("article", { class: "detail", tabindex: "-1", "aria-label": "Flow", hidden: true });
  const list = new VirtualList(cells, open);
  const split = h("div", { class: "split" }, list.element, detail);
  view.replaceChildren(h("div", { class: "bar" }, filter, pause, said), split);

  function cells(flow) {
    const leg = flow.leg ? "└ " : "";
    return [
      h("span", { class: "time" }, clock(flow.started)),
      h("span", { class: "service" }, flow.service || flow.kind),
      h("span", { class: `answer ${flow.outcome || "open"}` }, `${flow.result || ""} ${flow.outcome || "open"}`.trim()),
      h("span", { class: "took" }, flow.ended === null ? "" : seconds(flow.ended - flow.started)),
      h("span", { class: "size" }, size(flow.sent)),
      h("span", { class: "label" }, leg + (flow.label || `${flow.client} → ${flow.server}`)),
    ];
  }

  function count() {
    const more = missed ? `, ${missed} too fast to show` : "";
    said.textContent = `${kept.length} flows${more}${paused ? ", paused" : ""}`;
  }

  function add(batch) {
    kept = kept.concat(batch);
    if (kept.length > MOST) kept = kept.slice(kept.length - MOST);
    if (paused) return;
    list.set(kept);
    if (list.element.scrollTop > 0) list.element.scrollTop += 26 * batch.length; // what is looked at stays where it is
    count();
  }

  function hold(on) {
    paused = on;
    pause.textContent = paused ? "Go on" : "Pause";
    list.set(kept);
    count();
  }

  async function begin() {
    stop();
    const wanted = filter.value.trim();
    try {
      kept = await look(`flows?last=${MOST}&filter=${encodeURIComponent(wanted)}`);
      if (!wanted) kept = kept.filter((flow) => flow.kind !== "tcp" || flow.label || flow.outcome !== "ok");
    } catch (error) {
      said.textContent = error.message;
      filter.setAttribute("aria-invalid", "true");
      return;
    }
    filter.removeAttribute("aria-invalid");
    missed = 0;
    list.set(kept);
    count();
    stop = follow(wanted, { flows: add, state: live, dropped: (more) => { missed += more; count(); } });
  }

  function open(flow) {
    detail.hidden = false;
    split.classList.add("open");
    show(detail, flow.id, (id) => open({ id }));
  }

  function close() {
    detail.hidden = true;
    split.classList.remove("open");
    list.element.focus();
  }

  filter.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(begin, 250);
  });
  begin();

  return {
    stop: () => stop(),
    key(event) {
      if (event.key === "/") filter.focus();
      else if (event.key === "Escape") close();
      else if (event.key === "j" || event.key === "ArrowDown") list.move(1);
      else if (event.key === "k" || event.key === "ArrowUp") list.move(-1);
      else if (event.key === "g") list.move(-Infinity);
      else if (event.key === "G") list.move(Infinity);
      else if (event.key === "Enter" && list.chosen) open(list.chosen);
      else if (event.key === "p") hold(!paused);
      else return;
      event.preventDefault();
    },
  };
}
