// The API: JSON in and out; a failure is an Error with what the problem document says.

export async function get(path) {
  return reply(await fetch(path, { headers: { accept: "application/json" } }));
}

export async function post(path, body) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  return reply(await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) }));
}

async function reply(response) {
  const text = await response.text();
  const body = text ? parsed(text) : null;
  if (!response.ok) throw new Error(body?.detail ?? `${response.status} ${response.statusText}`);
  return body;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export const user = (id, what) => `/v1/users/${encodeURIComponent(id)}/${what}`;
export const title = (id, what) => `/v1/titles/${encodeURIComponent(id)}/${what}`;
