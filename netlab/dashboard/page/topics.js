// The broker's retained topics as they are, and who is connected.

import { look } from "/assets/api.js";
import { h, row, table } from "/assets/dom.js";
import { poll } from "/assets/lab.js";

export function topics(view) {
  const draw = async () => {
    const [{ retained }, { clients }] = await Promise.all([look("mqtt?action=retained"), look("mqtt?action=clients")]);
    const state = (one) => (one.connected ? "connected" : one.left === null ? "away" : `away, kept ${Math.round(one.left)} s more`);
    view.replaceChildren(
      h("section", {}, h("h2", {}, "Topics"), table(["topic", "value", "QoS", "from"], retained.map((one) => row(one.topic, one.payload, one.qos, one.publisher)))),
      h("section", {}, h("h2", {}, "Clients"),
        table(["client", "state", "address", "subscriptions", "waiting"], clients.map((one) => row(one.client, state(one), one.peer ?? "", Object.keys(one.subscriptions).join(" "), one.waiting)))),
    );
  };
  return poll(view, draw);
}
