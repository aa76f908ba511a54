// The broker's retained topics as they are, and who is connected.

import { look } from "/assets/api.js";
import { h, row, table } from "/assets/dom.js";
import { poll } from "/assets/lab.js";

export function topics(view) {
  const draw = async () => {
    const found = await look("mqtt");
    view.replaceChildren(
      h("section", {}, h("h2", {}, "Topics"), table(["topic", "value", "QoS"], (found.topics || []).map((one) => row(one.topic, one.payload, one.qos)))),
      h("section", {}, h("h2", {}, "Clients"), table(["client", "state", "address", "subscriptions"], (found.clients || []).map((one) => row(one.id ?? one.client, one.state ?? (one.connected ? "connected" : "away"), one.address ?? "", one.subscriptions?.length ?? one.subscriptions ?? "")))),
    );
  };
  return poll(view, draw);
}
