/** Keeps the records of one store out of every other: its hosts use what is in them, too, and versions of it tell nothing there. */
import type { CredentialRecord } from "../../credential/record.ts";
import { isOutside } from "../../credential/shared/own-record.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import { keyIdsOf, type Store, StoreRefusal } from "../../vault/store/index.ts";
import type { Foundation } from "../foundation.ts";
import { noteSharedStore, type SharedNote, sharedStore } from "./shared-note.ts";

type Beside = Pick<Foundation, "env" | "vault">;

/** Throws StoreRefusal if this host has records of another store than the one at `url`, and AuthdError if it can't tell. */
export function assertOfNoOther({ env, vault }: Beside, url: string): void {
  const noted = sharedStore(env);
  if (!noted || noted.url === url) return;
  const name = vault.names().find((each) => isOfStore(vault, each));
  if (name !== undefined) throw ofOther(name, noted, url);
}

/**
 * Rejects with StoreRefusal if this host has records of another store than the opened one at `url`. One that has a key
 * of before is the same, at another address.
 */
export async function assertIsSame(beside: Beside, store: Store, url: string): Promise<void> {
  const noted = notedOrNone(beside.env);
  if (!noted || noted.url === url) return;
  const { hosts, keyId } = await store.hosts();
  const known = keyIdsOf(hosts, keyId);
  if (noted.keyIds.some((id) => known.has(id))) return;
  assertOfNoOther(beside, url);
}

/** Notes that this host is one of the store's. A disk that fails is told, and no reason not to use the store. */
export function noteMember({ env, log }: Pick<Foundation, "env" | "log">, note: SharedNote): void {
  try {
    noteSharedStore(env, note);
  } catch (error) {
    log.warn({}, `that this host shares a store is not noted: ${messageOf(error)}`);
  }
}

/** What can't be read is told by whoever notes it anew. */
function notedOrNone(env: NodeJS.ProcessEnv): SharedNote | undefined {
  try {
    return sharedStore(env);
  } catch {
    return undefined;
  }
}

/** Nothing of a damaged record gets anywhere. */
function isOfStore(vault: Beside["vault"], name: string): boolean {
  let record: CredentialRecord | undefined;
  try {
    record = vault.read(name);
  } catch (error) {
    if (error instanceof AuthdError && error.reason === "credential_damaged") return false;
    throw error;
  }
  return record !== undefined && !isOutside(record);
}

function ofOther(name: string, { url: former }: SharedNote, url: string): StoreRefusal {
  return new StoreRefusal(
    `${name} is of the store ${former}, whose hosts use its secrets, too, and ${url} is another one. Name that one in [store] again and restart authd; or take [store] out, restart authd, and enter other secrets (authd set ${name}) or remove it (authd remove ${name}), and so for all that are of that store`,
  );
}
