"""The page at / for a browser: connect to a path, send, and see what comes."""

from __future__ import annotations

import html

from netlab.http.exchange import Exchange
from netlab.http.pages import STYLE
from netlab.http.websocket.paths import ABOUT
from netlab.policy.media import choose_type

SCRIPT = """
const $ = id => document.getElementById(id);
let socket = null, opened = 0;
function line(kind, text) {
  const row = document.createElement("div");
  row.className = kind;
  row.textContent = ((performance.now() - opened) / 1000).toFixed(3).padStart(8) + "  " + text;
  $("log").append(row);
  while ($("log").childElementCount > 500) $("log").firstElementChild.remove();
  row.scrollIntoView({block: "nearest"});
}
function connect() {
  if (socket) socket.close(1000);
  const url = (location.protocol === "https:" ? "wss://" : "ws://") + location.host + $("path").value;
  const named = $("subprotocol").value.trim();
  opened = performance.now();
  try {
    socket = named ? new WebSocket(url, named.split(/[ ,]+/)) : new WebSocket(url);
  } catch (error) {
    line("bad", String(error));
    return;
  }
  const mine = socket;
  socket.binaryType = "arraybuffer";
  line("note", "connecting to " + url);
  mine.onopen = () => line("note", "open; extensions: " + (mine.extensions || "none") +
    "; subprotocol: " + (mine.protocol || "none"));
  mine.onmessage = event => line("in", typeof event.data === "string" ? event.data :
    event.data.byteLength + " bytes: " + Array.from(new Uint8Array(event.data).slice(0, 64),
      byte => byte.toString(16).padStart(2, "0")).join(" "));
  mine.onerror = () => line("bad", "error");
  mine.onclose = event => line("note", "closed: " + event.code + (event.reason ? " " + event.reason : "") +
    (event.wasClean ? "" : ", not cleanly"));
}
function send() {
  if (!socket || socket.readyState !== 1) { line("bad", "not connected"); return; }
  const text = $("text").value;
  socket.send($("binary").checked ? new TextEncoder().encode(text) : text);
  line("out", text);
}
$("connect").onclick = connect;
$("close").onclick = () => socket && socket.close(1000, "bye");
$("form").onsubmit = event => { event.preventDefault(); send(); };
for (const link of document.querySelectorAll("[data-path]"))
  link.onclick = event => { event.preventDefault(); $("path").value = link.dataset.path; connect(); };
"""
LOOK = """#log{font:13px/1.5 ui-monospace,monospace;white-space:pre-wrap;height:18rem;overflow-y:auto;padding:.5rem;
border:1px solid #8886}.in{color:#0a7a3d}.out{color:#2456c7}.bad{color:#c0232c}.note{opacity:.7}
td{padding:.1rem 1rem .1rem 0}input[type=text]{font:inherit;padding:.2rem}#text{width:60%}
@media(prefers-color-scheme:dark){.in{color:#5fd38d}.out{color:#8fb4ff}.bad{color:#ff8087}}"""


def wants_page(exchange: Exchange) -> bool:
    """Whether it is a browser that asks for / itself, and no handshake."""
    request = exchange.request
    if request.method not in ("GET", "HEAD") or request.frame.upgrade:
        return False
    return choose_type(request.fields.get("accept"), ("text/plain", "text/html")) == "text/html"


def answer_page(exchange: Exchange) -> None:
    # nothing is loaded from elsewhere, and nothing of the page can be framed
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:"
    fields = [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy), ("Vary", "Accept")]
    exchange.respond(200, fields, PAGE)


def _row(path: str, about: str) -> str:
    tried = path.replace("{ms}", "500").replace("{n}", "3").replace("{code}", "4000").replace("{room}", "tea")
    return f'<tr><td><a href="#" data-path="{tried}"><code>{html.escape(path)}</code></a><td>{html.escape(about)}'


PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>netlab: WebSocket</title>
<style>{STYLE}
{LOOK}</style>
<h1>WebSocket</h1>
<p><label>Path <input type="text" id="path" value="/"></label>
<label>Subprotocols <input type="text" id="subprotocol"></label>
<button id="connect">Connect</button> <button id="close">Close</button></p>
<form id="form"><input type="text" id="text" value="hello" aria-label="Message">
<label><input type="checkbox" id="binary"> binary</label> <button>Send</button></form>
<div id="log" role="log"></div>
<h2>Paths</h2>
<table>
{chr(10).join(_row(path, about) for path, about in ABOUT.items())}
</table>
<p>Every frame is on the terminal with <code>netlab watch</code> and <code>netlab show ID</code>.</p>
<script>{SCRIPT}</script>
</html>
""".encode()
