import type { GetTokenResult } from "../protocol.ts";

/** What `console.log` asks an object how it is to be shown: in Node, Deno and Bun. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** Keeps what is secret of a token out of what is printed. Its members, and its JSON, stay as they are. */
export function printsNoSecret(token: GetTokenResult): GetTokenResult {
  const { tokenType, expiresAt, scope } = token;
  const shown = { tokenType, expiresAt, ...(scope !== undefined && { scope }) };
  return Object.defineProperty(token, INSPECT, { value: () => shown });
}
