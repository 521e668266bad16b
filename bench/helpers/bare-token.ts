/**
 * As little as bare Node can do for its first token: loads undici and signs a JWT beforehand, then sends one
 * token request and reads its answer. Tells the milliseconds that the request took.
 *
 *   node bare-token.js TOKEN_URL
 */
import { Client } from "undici";
import { ready } from "./ready.ts";

const url = new URL(process.argv[2] ?? "");
const client = new Client(url.origin);
const startedAt = performance.now();
const { body } = await client.request({
  ...{ method: "POST", path: url.pathname, body: "grant_type=client_credentials&client_id=bench" },
  headers: { "content-type": "application/x-www-form-urlencoded" },
});
await body.json();
ready(String(performance.now() - startedAt));
