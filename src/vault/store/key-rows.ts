/** Keys that several hosts have, as they stand beside the hosts in a store. */
import type { Host } from "./store.ts";

const PREFIX = "key:";

/** Returns what a key is called beside the hosts, whose names have no colon. */
export const rowOfKey = (name: string) => `${PREFIX}${name}`;

/** True of a key, which tells nothing by itself. */
export const isKey = ({ name }: Pick<Host, "name">) => name.startsWith(PREFIX);

/** Returns the key by which a host with this public key may enter. */
export function keyFor(hosts: readonly Host[], publicKey: Buffer): Host | undefined {
  return hosts.find((one) => isKey(one) && one.publicKey.equals(publicKey));
}

/** Returns who goes when `name` is removed: with a key all hosts that have it. */
export function goingWith(hosts: readonly Host[], name: string): Host[] {
  const gone = hosts.find((one) => one.name === name);
  if (!gone) return [];
  return isKey(gone) ? hosts.filter(({ publicKey }) => publicKey.equals(gone.publicKey)) : [gone];
}
