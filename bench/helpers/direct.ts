import { Agent } from "undici";

/** What a program that holds the token itself would send: about as long a one as the daemon's. */
export function directly() {
  const headers = { authorization: `Bearer ${"bench".repeat(180)}`, accept: "*/*" };
  return { dispatcher: new Agent(), headers };
}
