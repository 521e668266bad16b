/** Puts back what the store has lost, as it was put back to an earlier moment. */

import type { StoreEntry } from "../../vault/store/index.ts";
import { adoptOtherPast } from "./adopt.ts";
import type { Commits } from "./commits.ts";
import type { SharedContext } from "./shared-context.ts";

/** Runs work on a record in its turn; resolves with false for one that is being refreshed. */
export type InTurn = (name: string, work: () => Promise<void>) => Promise<boolean>;

/**
 * Puts back each record that the store has in an earlier version than this host, or without this host's intent.
 * Resolves with false if some are being refreshed. Rejects with StoreDown.
 */
export async function giveBack(
  context: SharedContext,
  commits: Commits,
  inTurn: InTurn,
): Promise<boolean> {
  let isAll = true;
  const { entries } = await context.connection.ask((store) => store.changesSince(-1));
  const inStore = new Map(entries.map((entry) => [entry.name, entry]));
  for (const name of context.owner?.names() ?? []) {
    const entry = inStore.get(name);
    const isDone = await inTurn(name, () => giveBackOne(context, commits, name, entry));
    isAll &&= isDone;
  }
  return isAll;
}

async function giveBackOne(
  context: SharedContext,
  commits: Commits,
  name: string,
  entry: StoreEntry | undefined,
): Promise<void> {
  if (entry) await adoptOtherPast(context, entry);
  const { shared, rotation } = context.liveRecord(name) ?? {};
  if (!shared || shared.alone) return;
  // What was obtained and not committed comes after what was.
  const version = shared.version + (context.pending.has(name) ? 1 : 0);
  const inStore = entry?.version ?? 0;
  const lacksIntent = rotation?.intent !== undefined && version === inStore && !entry?.intent;
  if (version > inStore || lacksIntent) await commits.restore(name, version, entry);
}
