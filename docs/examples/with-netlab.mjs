// Tests of a program in Node, with a server of netlab's for each: node --test docs/examples/
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

const NETLAB = (process.env.NETLAB ?? "netlab").split(" ");

/** Starts `netlab serve KIND` on a free port: { url, flow(), stop() }; flow() waits for the next one that ended. */
async function serve(kind, ...flags) {
  const [program, ...rest] = NETLAB;
  const child = spawn(program, [...rest, "serve", kind, "--listen", "127.0.0.1:0", "--json", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  const { endpoints } = await next(); // the first line, when it is ready
  const stop = async () => {
    child.kill("SIGINT");
    await once(child, "exit");
  };
  return { url: endpoints[0].url, flow: next, stop };
}

let server;
before(async () => (server = await serve("http")));
after(() => server.stop());

test("what was asked is a flow", async () => {
  const answer = await fetch(`${server.url}/hello`);
  assert.equal(await answer.text(), "Hello, World!");
  const flow = await server.flow();
  assert.equal(flow.label, "GET /hello");
  assert.equal(flow.outcome, "ok");
});
