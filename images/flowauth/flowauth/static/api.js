// The HTTP interface, as the page uses it. No page elements here.

export class Problem extends Error {
  constructor(status, body) {
    super(body.message ?? "Something went wrong.");
    this.status = status;
    this.body = body;
  }
}

function csrfToken() {
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith("X-CSRF="));
  return found ? decodeURIComponent(found.slice("X-CSRF=".length)) : "";
}

async function once(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, { message: "FlowAuth does not answer. Are you online?" });
  }
}

async function call(method, path, body) {
  let response = await once(method, path, body);
  if (response.status === 401 && !isJson(response)) {
    // The page's CSRF token has lapsed; the refusal brought a new one
    response = await once(method, path, body);
  }
  const answer = isJson(response) ? await response.json() : { message: (await response.text()).slice(0, 200) };
  if (response.ok) return answer;
  const problem = new Problem(response.status, answer);
  if (response.status === 401 && answer.message === "Not signed in.") {
    window.dispatchEvent(new CustomEvent("signed-out"));
  }
  throw problem;
}

function isJson(response) {
  return (response.headers.get("Content-Type") ?? "").startsWith("application/json");
}

export const api = {
  get: (path) => call("GET", path),
  post: (path, body) => call("POST", path, body),
  patch: (path, body) => call("PATCH", path, body),
  remove: (path) => call("DELETE", path),
};
