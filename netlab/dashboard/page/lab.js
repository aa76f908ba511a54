// The lab itself: services and where they are, the clock, faults on purpose; changes want the token.

import { change, look, mayChange } from "/assets/api.js";
import { h, row, seconds, size, table } from "/assets/dom.js";

export function lab(view) {
  const draw = async () => {
    const [status, clock, faults] = await Promise.all(["status", "clock", "faults"].map(look));
    const places = status.endpoints.map((endpoint) => row(endpoint.name, link(endpoint.url)));
    const input = h("input", { placeholder: "status=503 probability=30% when path contains /api", size: "60", "aria-label": "Fault" });
    const said = h("p", { class: "bad", role: "alert" });
    const act = (call, args) => change(call, args).then(draw, (error) => { said.textContent = error.message; });
    const time = new Date(clock.now * 1000).toISOString().replace("T", " ").slice(0, 19);
    const button = (name, call, args) => h("button", { disabled: !mayChange, onclick: () => act(call, args) }, name);
    view.replaceChildren(
      h("section", {}, h("h2", {}, `${status.name}, ${status.flows.ended} flows, up ${seconds(status.uptime)}`),
        h("p", { class: "soft" }, `level ${status.level}, ${size(status.kept.bytes)} of raw bytes kept, ${size(status.memory)} of memory at most`),
        mayChange ? "" : h("p", { class: "soft" }, "To change something, open this page by the address that netlab up prints.")),
      said,
      h("section", {}, h("h3", {}, "Clock"), h("p", {}, `${time} UTC${clock.frozen ? ", frozen" : ""} `,
        button("+1 min", "clock", { action: "jump", seconds: 60 }), button("+1 h", "clock", { action: "jump", seconds: 3600 }),
        button("+1 day", "clock", { action: "jump", seconds: 86400 }),
        clock.frozen ? button("Go on", "clock", { action: "run" }) : button("Freeze", "clock", { action: "freeze" }))),
      h("section", {}, h("h3", {}, "Faults"),
        h("form", { onsubmit: (event) => { event.preventDefault(); act("faults", { add: [input.value] }); } }, input, h("button", { disabled: !mayChange }, "Add")),
        table(["name", "what", "met", "struck", ""], (faults.faults || []).map((fault) => row(fault.name, fault.fault, fault.met, fault.struck, button("Remove", "faults", { remove: [fault.name] }))))),
      h("section", {}, h("h3", {}, "Services"), table(["service", "address"], places)),
    );
  };
  return poll(view, draw);
}

function link(url) {
  return /^https?:/.test(url) ? h("a", { href: url.replace(/#.*/, ""), target: "_blank", rel: "noreferrer" }, url.replace(/#.*/, "")) : url;
}

// Draws now and every two seconds while nobody types, and says why where it cannot.
export function poll(view, draw) {
  const step = () => {
    if (view.contains(document.activeElement) && document.activeElement.matches("input,button")) return;
    draw().catch((error) => view.replaceChildren(h("p", { class: "soft" }, error.message)));
  };
  step();
  const timer = setInterval(step, 2000);
  return { stop: () => clearInterval(timer), key() {} };
}
