/** What this host last knew of its store: a standby may take the server's place, or a copy, while it does not run. */
import { join } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { readRegularFile } from "../../base/regular-file.ts";
import { stateDir } from "../../config/config.ts";
import type { KnownStore } from "../../credential/shared/shared-context.ts";

const MAX_BYTES = 65_536;

/** Returns what is kept of the store with this address. A file that can't be read counts as none. */
export function storeTimeline(env: NodeJS.ProcessEnv, url: string) {
  const path = join(stateDir(env), "store-timeline.json");
  let known: ({ url: string } & KnownStore) | undefined;
  try {
    known = JSON.parse(readRegularFile(path, MAX_BYTES).toString());
  } catch {
    // As on the first start.
  }
  return {
    // An earlier authd noted the timeline alone, in other words.
    known: () => (known?.url === url && known.change !== undefined ? known : undefined),
    note(store: KnownStore): void {
      known = { url, ...store };
      try {
        replaceFileNow(path, JSON.stringify(known), { sync: "none" });
      } catch {
        // A disk that fails is told of by what can't be sealed.
      }
    },
  };
}
