// The public key that FlowAPI verifies tokens with.

import { api } from "../api.js";
import { copyButton, downloadButton, h, heading } from "../elements.js";

export async function show() {
  const key = (await api.get("/admin/public_key")).public_key;
  return h("div", null, heading("Public key"),
    h("p", null, "Every FlowAPI that takes this FlowAuth's tokens needs this key as its secret PUBLIC_JWT_SIGNING_KEY. It is no secret itself."),
    h("div", { class: "card" }, h("pre", { tabindex: "0", "aria-label": "Public key" }, key),
      h("div", { class: "actions" }, copyButton(key, "the public key"), downloadButton(key, "PUBLIC_JWT_SIGNING_KEY.pem", "the public key"))));
}
