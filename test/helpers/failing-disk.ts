import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { ExecutionContext } from "ava";
import { run, start } from "./child.ts";
import type { Home } from "./daemon.ts";
import { absent, impossible, missing } from "./optional.ts";

/** Root heeds the mode of its own files without these. */
const AS_ORDINARY_USER =
  process.geteuid?.() === 0
    ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    : [];

/** A user without any rights of its own. */
const NOBODY = 65_534;

/** Where the state folder is that the disk is going to fail under. */
type Folders = Pick<Home, "stateDir">;

/** A vault whose disk is going to fail: a daemon's, or one that the test's own process has open. */
export interface Place {
  /** Starts a daemon there. */
  through: readonly string[];
  /** The vault's folder as the test sees it. */
  vault: string;
  /**
   * Breaks the disk for the process that has the vault open; what it resolves to mends it. For the test's
   * own process no other test may run meanwhile.
   */
  strike: (pid: number) => Promise<() => Promise<void>>;
}

/** A way for a disk to fail. */
export interface DiskFault {
  /** What the daemon says of it. */
  says: RegExp;
  /** Undefined: it can't be had on this machine, and the test has ended. */
  prepare: (t: ExecutionContext, folders: Folders) => Promise<Place | undefined>;
}

/** By what happens to the disk. */
export const DISK_FAULTS = {
  "is full": {
    says: /the disk is full.*ENOSPC/,
    prepare: (t, home) =>
      onDiskOfItsOwn(t, home, ({ vault }) => {
        const filler = join(vault, "filler");
        try {
          writeFileSync(filler, Buffer.alloc(2 ** 20));
        } catch {
          // Now it is full.
        }
        return () => rmSync(filler);
      }),
  },
  "is mounted read-only": {
    says: /the file system is read-only.*EROFS/,
    prepare: (t, home) =>
      onDiskOfItsOwn(t, home, ({ inside }) => {
        const { stateDir } = home;
        // On top: the disk itself is in use.
        inside("mount", "--bind", stateDir, stateDir);
        inside("mount", "-o", "remount,bind,ro", stateDir);
        return () => inside("mount", "-o", "remount,bind,rw", stateDir);
      }),
  },
  "can't be entered": {
    says: /permission denied.*EACCES/,
    prepare: async (t, home) => withMode(t, home, (vault) => vault, 0o700, 0),
  },
  "takes no new names": {
    says: /permission denied.*EACCES/,
    prepare: async (t, home) => withMode(t, home, (vault) => vault, 0o700, 0o500),
  },
  "does not let the file be read": {
    says: /can't be read: EACCES/,
    prepare: async (t, home) => withMode(t, home, (vault) => join(vault, "demo.sealed"), 0o600, 0),
  },
  "fails to sync": {
    says: /the disk reports an error.*EIO/,
    prepare: (t, home) => injected(t, home, "fsync,fdatasync:error=EIO"),
  },
  "fails to rename": {
    says: /the disk reports an error.*EIO/,
    prepare: (t, home) => injected(t, home, "/^rename:error=EIO"),
  },
  "is over its quota": {
    says: /quota is used up.*EDQUOT/,
    prepare: (t, home) => injected(t, home, "fsync,fdatasync:error=EDQUOT"),
  },
  "takes half of what is written": {
    says: /EFBIG/,
    prepare: async (t, home) => {
      const through: string[] = [];
      if (absent("prlimit").length > 0) return skip(missing, t, "prlimit is not installed");
      return {
        through,
        vault: join(home.stateDir, "vault"),
        strike: async (pid) => {
          const limit = (bytes: string) =>
            execFileSync("prlimit", [`--pid=${pid}`, `--fsize=${bytes}`]);
          limit("100:unlimited");
          return async () => void limit("unlimited:unlimited");
        },
      };
    },
  },
  "lost the vault's folder to a file": {
    says: /something that is no folder is in its place/,
    prepare: async (_, home) =>
      moved(home, (state) => {
        writeFileSync(state, "");
        return () => rmSync(state);
      }),
  },
  "lost the state folder to a link to nowhere": {
    says: /something that is no folder is in its place|can't be made/,
    prepare: async (_, home) =>
      moved(home, (state) => {
        symlinkSync(`${state}-nowhere`, state);
        return () => rmSync(state);
      }),
  },
} as const satisfies Record<string, DiskFault>;

interface OwnDisk {
  /** As the test sees it. */
  vault: string;
  /** Runs a command where the disk is mounted. */
  inside: (command: string, ...args: string[]) => void;
}

function skip(end: typeof missing, t: ExecutionContext, reason: string): undefined {
  end(t, reason);
}

/** A disk of 64 KiB that only the daemon sees; it is gone with the process that holds it. */
async function onDiskOfItsOwn(
  t: ExecutionContext,
  { stateDir }: Folders,
  strike: (disk: OwnDisk) => () => void,
): Promise<Place | undefined> {
  const needed = absent("unshare", "nsenter", "mount");
  if (needed.length > 0) return skip(missing, t, `${needed.join(", ")} is not installed`);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const script = 'mount -t tmpfs -o size=64k,mode=700 none "$0" && echo mounted && exec sleep 3600';
  const holder = start(t, "unshare", ["--mount", "sh", "-c", script, stateDir]);
  try {
    await holder.says("mounted");
  } catch (error) {
    return skip(impossible, t, `no disk can be mounted here: ${error}`);
  }
  const { pid } = holder.child;
  const through = ["nsenter", `--mount=/proc/${pid}/ns/mnt`, "--"];
  const disk: OwnDisk = {
    vault: `/proc/${pid}/root${stateDir}/vault`,
    inside: (command, ...args) =>
      void execFileSync(through[0]!, [...through.slice(1), command, ...args]),
  };
  return {
    through,
    vault: disk.vault,
    strike: async () => {
      const mend = strike(disk);
      return async () => mend();
    },
  };
}

function withMode(
  t: ExecutionContext,
  { stateDir }: Folders,
  which: (vault: string) => string,
  good: number,
  bad: number,
): Place {
  const vault = join(stateDir, "vault");
  const mend = () => chmodSync(which(vault), good);
  return {
    through: AS_ORDINARY_USER,
    vault,
    strike: async (pid) => {
      const becomeRoot = pid === process.pid ? becomeNobody(dirname(stateDir)) : () => {};
      const mendAsRoot = () => {
        becomeRoot();
        mend();
      };
      chmodSync(which(vault), bad);
      // Or the folder can't be removed.
      t.teardown(mendAsRoot);
      return async () => mendAsRoot();
    },
  };
}

/** Makes this process one that heeds the modes of `folder` and all in it, its own files; returns what undoes it. */
function becomeNobody(folder: string): () => void {
  if (process.geteuid?.() !== 0) return () => {};
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const entry of ["", ...entries]) chownSync(join(folder, entry), NOBODY, NOBODY);
  process.seteuid!(NOBODY);
  return () => process.seteuid!(0);
}

/** System calls fail while strace is there. */
async function injected(
  t: ExecutionContext,
  { stateDir }: Folders,
  fault: string,
): Promise<Place | undefined> {
  if (absent("strace").length > 0) return skip(missing, t, "strace is not installed");
  const { code, stderr } = await run(t, "strace", ["-f", "true"]);
  if (code !== 0) return skip(impossible, t, `strace may trace nothing here: ${stderr}`);
  return {
    through: [],
    vault: join(stateDir, "vault"),
    strike: async (pid) => {
      const calls = fault.slice(0, fault.lastIndexOf(":"));
      const args = ["-f", "-p", `${pid}`, "-e", `trace=${calls}`, "-e", `inject=${fault}`];
      const strace = start(t, "sh", ["-c", 'exec strace "$@" 2>&1', "strace", ...args]);
      await strace.says("attached");
      return async () => {
        strace.child.kill("SIGINT");
        await strace.ended;
      };
    },
  };
}

/** The state folder is moved away, and something else put in its place. */
function moved({ stateDir }: Folders, replace: (state: string) => () => void): Place {
  return {
    through: [],
    vault: join(stateDir, "vault"),
    strike: async () => {
      const away = `${stateDir}-away`;
      renameSync(stateDir, away);
      const remove = replace(stateDir);
      return async () => {
        remove();
        renameSync(away, stateDir);
      };
    },
  };
}
