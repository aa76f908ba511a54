// The lab's API: looking is free, changing wants the token that stands behind # in the address.

const token = location.hash.slice(1) || sessionStorage.getItem("token") || "";
if (token) {
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname); // out of the address bar, its history and screenshots
}
export const mayChange = Boolean(token);

async function told(answer) {
  const text = await answer.text();
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    found = { error: text.split("\n")[1] || text };
  }
  if (!answer.ok) throw new Error(found.error || found.detail || answer.statusText);
  return found;
}

export const look = async (path) => told(await fetch(`/api/${path}`));

export const change = async (call, args) =>
  told(
    await fetch(`/api/${call}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Netlab-Token": token },
      body: JSON.stringify(args),
    }),
  );

// Follows flows as they end; returns a function that stops it.
export function follow(filter, { flows, dropped, state }) {
  const source = new EventSource(`/api/watch?filter=${encodeURIComponent(filter)}`);
  source.addEventListener("open", () => state(true));
  source.addEventListener("error", () => state(false));
  source.addEventListener("flows", (event) => flows(JSON.parse(event.data)));
  source.addEventListener("dropped", (event) => dropped(JSON.parse(event.data)));
  return () => source.close();
}
