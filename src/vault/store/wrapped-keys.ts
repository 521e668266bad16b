/**
 * The keys of a host's groups as they stand in the store, each wrapped for that host alone. What a group is called,
 * the id of its key, and a proof that whoever let the host in had that key, are in the clear. A store from before
 * there were groups has one wrapped key alone: that of the default group.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import * as z from "../../base/zod.ts";
import { derivedKey } from "../derived-key.ts";
import {
  type FleetKey,
  fleetKeyOf,
  type HostKeys,
  unwrapForHost,
  wrapForHost,
} from "./fleet-key.ts";
import type { Host } from "./store.ts";

/** The group of credentials whose file names none. */
export const DEFAULT_GROUP = "default";

/** Keys by the names of their groups. */
export type GroupKeys = ReadonlyMap<string, FleetKey>;

const base64 = z.pipe(
  z.string(),
  z.transform((text) => Buffer.from(text, "base64")),
);
const wrappedKeys = z.object({
  v: z.enum(["2"]),
  keys: z.array(z.object({ group: z.string(), id: z.string(), key: base64, proof: base64 })),
});

/** A group that a host has the key of, or says that it has. */
export interface WrappedKey {
  group: string;
  /** Undefined in a store from before there were groups. */
  id?: string;
  key: Buffer;
  proof?: Buffer;
}

/** Returns the keys of a host. What can't be read is taken for a wrapped key alone, and fails when it is opened. */
export function readWrapped({ wrappedKey }: Pick<Host, "wrappedKey">): WrappedKey[] {
  try {
    return wrappedKeys.parse(JSON.parse(wrappedKey.toString())).keys;
  } catch {
    return [{ group: DEFAULT_GROUP, key: wrappedKey }];
  }
}

/** Throws StoreRefusal if they were wrapped for another host. */
export function unwrapAll(keys: HostKeys, host: Host): Map<string, FleetKey> {
  return new Map(
    readWrapped(host).map(({ group, key }) => [group, fleetKeyOf(unwrapForHost(keys, key))]),
  );
}

type Member = Pick<Host, "name" | "publicKey">;

/** Wraps the key of a group for a host. */
export function wrapGroup(host: Member, group: string, key: FleetKey): Required<WrappedKey> {
  const proof = proofOf(host, group, key);
  return { group, id: key.id, key: wrapForHost(host.publicKey, key.key), proof };
}

/** True if somebody with this key has let the host into the group. */
export function isProven(host: Member, { group, proof }: WrappedKey, key: FleetKey): boolean {
  const expected = proofOf(host, group, key);
  return proof?.length === expected.length && timingSafeEqual(proof, expected);
}

/** Returns what a host's `wrappedKey` is. */
export function writeWrapped(keys: readonly Required<WrappedKey>[]): Buffer {
  const plain = keys.map(({ key, proof, ...rest }) => ({
    ...rest,
    ...{ key: key.toString("base64"), proof: proof.toString("base64") },
  }));
  return Buffer.from(JSON.stringify({ v: "2", keys: plain }));
}

function proofOf({ name, publicKey }: Member, group: string, { key }: FleetKey): Buffer {
  const said = JSON.stringify([name, publicKey.toString("base64"), group]);
  return createHmac("sha256", derivedKey(key, "authd fleet member")).update(said).digest();
}
