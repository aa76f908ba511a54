// The pools of the lab's balancers: who is up, what they bear, why one is left out; drained and brought back here.

import { change, look, mayChange } from "/assets/api.js";
import { h, row, seconds, table } from "/assets/dom.js";
import { poll } from "/assets/lab.js";

const HEADS = ["upstream", "state", "weight", "active", "total", "errors", "p50", "p99", "breaker", "last check", ""];

export function upstreams(view) {
  const draw = async () => {
    const pools = await look("balancer");
    const none = h("p", { class: "soft" }, "No balancer runs in this lab.");
    view.replaceChildren(...(pools.length ? pools.map((pool) => section(pool, draw)) : [none]));
  };
  return poll(view, draw);
}

function section(pool, draw) {
  const said = h("p", { class: "bad", role: "alert" });
  const act = (action, upstream) =>
    change("balancer", { service: pool.service, action, upstream, pool: pool.pool }).then(draw, (error) => { said.textContent = error.message; });
  const rows = pool.upstreams.map((one) => row(
    one.upstream,
    h("span", { class: one.takes_work ? "ok" : "refused" }, one.mode === "ready" ? one.state : `${one.state}, ${one.mode}`),
    one.weight, one.active, one.total, one.errors, seconds(one.latency.p50), seconds(one.latency.p99), one.breaker,
    one.last_check || one.check,
    mayChange ? ["drain", "maintenance", "ready"].map((action) => h("button", { onclick: () => act(action, one.upstream) }, action)) : "",
  ));
  const about = `${pool.balance}, ${pool.available} of ${pool.upstreams.length} take work, ${pool.live} live${pool.panic ? ", in panic: all are asked" : ""}`;
  return h("section", {}, h("h2", {}, `${pool.service}, ${pool.pool}`), h("p", { class: "soft" }, about), said, table(HEADS, rows));
}
