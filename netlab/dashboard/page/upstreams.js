// The pools of the lab's balancers: who is up, what they bear, why one is left out; drained and brought back here.

import { change, look, mayChange } from "/assets/api.js";
import { h, row, table } from "/assets/dom.js";
import { poll } from "/assets/lab.js";

export function upstreams(view) {
  const draw = async () => {
    const pools = await look("balancer");
    view.replaceChildren(...(pools.length ? pools.map((pool) => section(pool, draw)) : [h("p", { class: "soft" }, "No balancer runs in this lab.")]));
  };
  return poll(view, draw);
}

const number = (value) => (value === null || value === undefined ? "" : typeof value === "number" ? Number(value.toPrecision(4)) : String(value));

function section(pool, draw) {
  const members = pool.upstreams || pool.members || [];
  const act = (action, upstream) => change("balancer", { service: pool.service, action, upstream }).then(draw, (error) => alert(error.message));
  const rows = members.map((one) => {
    const name = one.upstream || one.name || one.address;
    const steer = mayChange ? ["drain", "ready", "maintenance"].map((action) => h("button", { onclick: () => act(action, name) }, action)) : "";
    return row(name, h("span", { class: one.state === "up" || one.state === "ready" ? "ok" : "refused" }, String(one.state ?? "")), number(one.weight), number(one.live), number(one.total), number(one.errors), one.check?.said ?? one.last_check ?? "", steer);
  });
  return h("section", {}, h("h2", {}, `${pool.service} ${pool.pool ?? pool.name ?? ""}`), h("p", { class: "soft" }, String(pool.balance ?? pool.algorithm ?? "")),
    table(["upstream", "state", "weight", "live", "total", "errors", "last check", ""], rows));
}
