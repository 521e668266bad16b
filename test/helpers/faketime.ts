import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { type Daemon, type DaemonOptions, type Home, makeHome, startDaemon } from "./daemon.ts";

const FAKED_CLOCK = fileURLToPath(new URL("faked-clock.js", import.meta.url));

/** Where Debian and libfaketime's own Makefile put it. */
const PLACES = [
  ...folders("/usr/lib").map((folder) => join("/usr/lib", folder, "faketime")),
  "/usr/lib/faketime",
  "/usr/local/lib/faketime",
];

/** The preload library; undefined: it is not installed. */
export const FAKETIME = PLACES.map((folder) => join(folder, "libfaketime.so.1")).find((path) =>
  existsSync(path),
);

/** A place for a daemon that lives by a wall clock of its own. */
export interface Elsewhen {
  home: Home;
  /** Sets that clock, also of a daemon that runs: `+1h`, `-365d`, `+0 x1.05`, `@2027-03-28 01:59:57`. */
  set(time: string): void;
  start(env?: NodeJS.ProcessEnv): Promise<Daemon>;
}

/**
 * Only the wall clock is faked: with a faked monotonic clock, Node ends itself when it steps back.
 * Boot time is real in any case, as Node reads /proc/uptime.
 */
export function elsewhen(t: ExecutionContext, options: Omit<DaemonOptions, "home"> = {}): Elsewhen {
  const home = makeHome(t, options);
  const file = join(home.folder, "faketime");
  const set = (time: string) => {
    // At once: half a line would be some other time.
    writeFileSync(`${file}.new`, `${time}\n`);
    renameSync(`${file}.new`, file);
  };
  set("+0");
  const faked = {
    LD_PRELOAD: FAKETIME,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  return {
    home,
    set,
    async start(env) {
      const through = [process.execPath, FAKED_CLOCK];
      const daemon = await startDaemon(t, { home, through, env: { ...faked, ...env } });
      t.teardown(async () => {
        await daemon.stop();
        // What the library shares between processes stays behind if one is killed.
        for (const name of ["faketime_shm_", "sem.faketime_sem_"])
          rmSync(`/dev/shm/${name}${daemon.pid}`, { force: true });
      });
      return daemon;
    },
  };
}

function folders(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
