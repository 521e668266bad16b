/** Which hosts may open the records of a store: each has the key wrapped for itself. */

import { randomBytes } from "node:crypto";
import { AuthdError } from "../../errors.ts";
import { decrypt, encrypt } from "../sealed-file.ts";
import type { ManagedVault } from "../vault.ts";
import {
  type FleetKey,
  fleetKeyOf,
  type HostKeys,
  hostKeys,
  unwrapForHost,
  wrapForHost,
} from "./fleet-key.ts";
import type { Store } from "./store.ts";

/** An invitation ends after this (ms). */
const INVITE_MS = 600_000;
const INVITE = /^authd-invite-1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})$/;
const PURPOSE = "authd fleet invitation";

type KeyOwner = Pick<ManagedVault<object>, "derive" | "locked">;

/** The key of a host is made from its vault's, and needs no place of its own. */
function keysOf(vault: KeyOwner): HostKeys {
  const derived = vault.derive("authd fleet host");
  if (!derived) throw new AuthdError("vault_locked", vault.locked ?? "The vault is locked.");
  const keys = hostKeys(derived.key);
  derived.key.fill(0);
  return keys;
}

/** Returns this host with a key wrapped for it. */
export function memberWith(
  host: string,
  vault: KeyOwner,
  { key }: FleetKey,
): { name: string; publicKey: Buffer; wrappedKey: Buffer } {
  const { publicKey } = keysOf(vault);
  return { name: host, publicKey, wrappedKey: wrapForHost(publicKey, key) };
}

/** Returns the key of the records. Rejects with AuthdError `internal` if this host is not one of the store's. */
export async function fleetKey(store: Store, host: string, vault: KeyOwner): Promise<FleetKey> {
  const { hosts } = await store.hosts();
  const own = hosts.find(({ name }) => name === host);
  if (own) return fleetKeyOf(unwrapForHost(keysOf(vault), own.wrappedKey));
  throw new AuthdError(
    "internal",
    `The store does not know this host, ${host}: let it join (authd fleet join), or leave [store] out of config.toml`,
  );
}

/** Returns one line that lets one more host in, once, for ten minutes. It is a secret. */
export async function inviteHost(store: Store, { key }: FleetKey): Promise<string> {
  const id = randomBytes(8).toString("hex");
  const secret = randomBytes(32);
  await store.invite(id, encrypt(secret, PURPOSE, key), INVITE_MS);
  return `authd-invite-1.${id}.${secret.toString("base64url")}`;
}

/** Takes an invitation. Rejects with AuthdError `invalid_params` if it is none, was taken, or has ended. */
export async function joinFleet(
  store: Store,
  host: string,
  vault: KeyOwner,
  invitation: string,
): Promise<FleetKey> {
  const [, id, secret] = INVITE.exec(invitation.trim()) ?? [];
  if (id === undefined || secret === undefined) throw unfit("This is no invitation.");
  const { hosts } = await store.hosts();
  if (hosts.some(({ name }) => name === host)) {
    throw unfit(
      `The store has a host ${host} already: remove that one first (authd fleet remove ${host}), or give this one another name.`,
    );
  }
  const wrapped = await store.takeInvite(id);
  const key = wrapped && decrypt(Buffer.from(secret, "base64url"), PURPOSE, wrapped);
  if (!key)
    throw unfit("The invitation was used, or has ended: it is good for one host and ten minutes.");
  const opened = fleetKeyOf(key);
  await store.putHost(memberWith(host, vault, opened));
  return opened;
}

function unfit(why: string): AuthdError {
  return new AuthdError("invalid_params", `${why} Nothing was changed`);
}
