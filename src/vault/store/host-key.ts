/** Keys that several hosts have from a file: whoever has one is let into the store, until it is removed. */

import { randomBytes } from "node:crypto";
import { AuthdError } from "../../errors.ts";
import { derivedKey } from "../derived-key.ts";
import { rowOfKey } from "./key-rows.ts";
import { type KeyOwner, letIn } from "./membership.ts";
import type { Store } from "./store.ts";
import { StoreRefusal } from "./store-refusal.ts";
import type { GroupKeys } from "./wrapped-keys.ts";

const KEY = /^authd-host-key-1\.([A-Za-z0-9_-]{43})$/;

/** Returns the owner of a key, as it was printed. Throws StoreRefusal if it is none; `file` is for messages. */
export function hostKeyOwner(text: string, file: string): KeyOwner {
  const [, secret] = KEY.exec(text.trim()) ?? [];
  if (secret === undefined) {
    throw new StoreRefusal(`${file} holds no key of a store (authd fleet key)`);
  }
  return ownerOf(Buffer.from(secret, "base64url"));
}

function ownerOf(secret: Buffer): KeyOwner {
  return {
    locked: undefined,
    derive: (purpose) => ({ key: derivedKey(secret, purpose), keyId: "" }),
  };
}

/**
 * Makes a key that lets hosts into these groups, and returns it as one line. It is a secret. Rejects with AuthdError
 * `invalid_params` if there is one of this name.
 */
export async function makeHostKey(store: Store, name: string, keys: GroupKeys): Promise<string> {
  const { hosts } = await store.hosts();
  const host = rowOfKey(name);
  if (hosts.some((one) => one.name === host)) {
    const text = `The store has a key ${name} already: authd fleet remove ${host} removes it. Nothing was changed`;
    throw new AuthdError("invalid_params", text);
  }
  const secret = randomBytes(32);
  await letIn(store, { host, vault: ownerOf(secret) }, keys);
  const line = `authd-host-key-1.${secret.toString("base64url")}`;
  secret.fill(0);
  return line;
}
