import { AuthdError } from "../../errors.ts";
import { StoreUnknown } from "../../vault/store/index.ts";
import type { Core } from "../core.ts";
import type { Foundation } from "../foundation.ts";
import type { SharedStore } from "../shared-store.ts";
import { assertOfNoOther } from "./other-store.ts";

/**
 * Has `work` let this host into the store at `url` while the one that config.toml named at the start is put aside. That one
 * may be the same, and fences the refreshes until `work` attaches another: none is sent. If `work` rejects, it is in use again.
 * Rejects with AuthdError `invalid_params` if this host is one of its hosts, or may be, or has records of another store.
 */
export async function insteadOfFormer<T>(
  foundation: Foundation,
  core: Core,
  url: string,
  work: () => Promise<T>,
): Promise<T> {
  const { shared } = core;
  if (shared) await assertNotIts(shared, url);
  assertOfNoOther(foundation, url);
  if (!shared) return await work();
  await shared.sync.stop();
  try {
    return await work();
  } finally {
    if (core.shared === shared) await shared.sync.start();
    else await shared.sync.stop();
  }
}

/** That it does not know this host is told by the store alone; one at `url` is asked by whoever joins it. */
async function assertNotIts({ records, settings }: SharedStore, url: string): Promise<void> {
  const problem = await records.connection.use(() => undefined).catch((error: Error) => error);
  if (!problem) throw unfit("This host shares a store already: authd vault move --to file: first.");
  if (problem instanceof StoreUnknown || settings.url === url) return;
  throw unfit(
    `${problem.message} authd was started with that store, ${settings.url}, and may be one of its hosts: start authd again with what config.toml says now.`,
  );
}

function unfit(why: string): AuthdError {
  return new AuthdError("invalid_params", `${why} Nothing was changed`);
}
