/** The timeline that this host last knew its store on: a standby may take the server's place while it does not run. */
import { join } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { readRegularFile } from "../../base/regular-file.ts";
import { stateDir } from "../../config/config.ts";

const MAX_BYTES = 65_536;

/** Returns where the timeline of the store with this address is kept. A file that can't be read counts as none. */
export function storeTimeline(env: NodeJS.ProcessEnv, url: string) {
  const path = join(stateDir(env), "store-timeline.json");
  let known: { url: string; timeline: string } | undefined;
  try {
    known = JSON.parse(readRegularFile(path, MAX_BYTES).toString());
  } catch {
    // As on the first start.
  }
  return {
    known: () => (known?.url === url ? known.timeline : undefined),
    note(timeline: string): void {
      known = { url, timeline };
      try {
        replaceFileNow(path, JSON.stringify(known), { sync: "none" });
      } catch {
        // A disk that fails is told of by what can't be sealed.
      }
    },
  };
}
