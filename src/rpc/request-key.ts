import { type Id, JsonNumber } from "../base/json-text.ts";

/** An id inside the daemon, for vscode-jsonrpc and for maps: ids that are written differently are different. */
export type RequestKey = string | number;

/** vscode-jsonrpc's queue takes 1 and "1" for the same id; a mark tells them apart. */
export function keyOf(id: Id): RequestKey {
  if (typeof id === "number") return id;
  return id instanceof JsonNumber ? `n${id.text}` : `s${id}`;
}

/** Returns the id of which `key` was made. */
export function idOf(key: RequestKey): Id {
  if (typeof key === "number") return key;
  return key[0] === "n" ? new JsonNumber(key.slice(1)) : key.slice(1);
}
