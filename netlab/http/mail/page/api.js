// The calls of the API that the page makes; all of them answer JSON, or a sentence that says what is wrong.

async function call(path, options = {}) {
  const response = await fetch(path, { headers: { Accept: "application/json, text/plain" }, ...options });
  if (!response.ok) {
    const text = await response.text();
    let told = text;
    try {
      told = JSON.parse(text).detail;
    } catch {
      // it is text already
    }
    throw new Error(told);
  }
  return (response.headers.get("content-type") || "").startsWith("application/json") ? response.json() : response.text();
}

const json = (method, value) => ({ method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
const one = (id) => `/api/v1/message/${encodeURIComponent(id)}`;

export function list(query, start = 0) {
  const asked = new URLSearchParams({ start, limit: 50 });
  if (!query) return call(`/api/v1/messages?${asked}`);
  asked.set("query", query);
  asked.set("tz", Intl.DateTimeFormat().resolvedOptions().timeZone);
  return call(`/api/v1/search?${asked}`);
}

export const message = (id) => call(one(id));
export const explained = (id) => call(`${one(id)}/explained`);
export const source = (id) => call(`${one(id)}/raw`);
export const rawPath = (id) => `${one(id)}/raw?dl=1`;
export const partPath = (id, part) => `${one(id)}/part/${encodeURIComponent(part)}`;
export const htmlPath = (id) => `/view/${encodeURIComponent(id)}.html`;
export const mark = (ids, read) => call("/api/v1/messages", json("PUT", { IDs: ids, Read: read }));
export const remove = (ids) => call("/api/v1/messages", json("DELETE", { IDs: ids }));
export const release = (id, to) => call(`${one(id)}/release`, json("POST", { To: to }));
export const canRelease = async () => (await call("/api/v1/webui")).MessageRelay.Enabled;
export const removeFound = (query) => call(`/api/v1/search?${new URLSearchParams({ query })}`, { method: "DELETE" });

// Calls `changed` when something happens to the mail, and `live` with whether we would hear of it.
export function follow(changed, live) {
  const events = new EventSource("/api/v1/events");
  for (const name of ["stored", "deleted", "changed", "lost"]) events.addEventListener(name, changed);
  events.addEventListener("open", () => {
    live(true);
    changed();
  });
  events.addEventListener("error", () => live(false));
}
