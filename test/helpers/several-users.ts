import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { removeFolder } from "../../src/base/remove-folder.ts";
import { type Client, connect } from "../../src/client.ts";
import { type Ended, run } from "./child.ts";
import { MAIN, makeHome, startDaemon } from "./daemon.ts";

/** Somebody on this machine, by numbers that no account has. */
export interface User {
  uid: number;
  gid: number;
  /** Beside `gid`. */
  groups: readonly number[];
}

export interface SharedDaemon {
  socket: string;
  /** The folder above the socket's: root's. */
  folder: string;
  configDir: string;
  /** Root's. */
  client: Client;
  /** Runs `authd ARGS…` as this user. */
  cli(user: User, ...args: string[]): Promise<Ended>;
  /** Runs JavaScript as this user, with the socket's path and what else is given in `process.argv`. */
  script(user: User, source: string, ...args: string[]): Promise<Ended>;
}

/** Only root can do this: a daemon of user `owner` in a place that root has made for it. */
export async function startSharedDaemon(
  t: ExecutionContext,
  owner: User,
  config: string,
  env: NodeJS.ProcessEnv = {},
): Promise<SharedDaemon> {
  const folder = mkdtempSync("/run/authd-test-");
  t.teardown(() => removeFolder(folder));
  chmodSync(folder, 0o755);
  const place = (name: string) => join(folder, name);
  for (const name of ["socket", "config", "state"]) mkdirSync(place(name), { mode: 0o700 });
  writeFileSync(join(place("config"), "config.toml"), config, { mode: 0o600 });
  for (const name of ["socket", "config", "config/config.toml", "state"]) {
    chownSync(place(name), owner.uid, owner.gid);
  }
  const socket = join(place("socket"), "authd.sock");
  const configDir = place("config");
  const home = makeHome(t, {
    env: {
      HOME: folder,
      AUTHD_SOCKET: socket,
      AUTHD_CONFIG_DIR: configDir,
      AUTHD_STATE_DIR: place("state"),
      ...env,
    },
  });
  await startDaemon(t, { home, through: becoming(owner) });
  const client = connect({ socket });
  t.teardown(() => client.close());
  const theirs = { PATH: process.env.PATH, HOME: "/nonexistent", AUTHD_SOCKET: socket };
  const as = (user: User, ...args: string[]) => {
    const [command, ...rest] = [...becoming(user), process.execPath, ...args];
    return run(t, command!, rest, { env: theirs, cwd: "/" });
  };
  return {
    ...{ socket, folder, configDir, client },
    cli: (user, ...args) => as(user, MAIN, ...args),
    script: (user, source, ...args) => as(user, "-e", source, socket, ...args),
  };
}

function becoming({ uid, gid, groups }: User): string[] {
  const others = groups.length > 0 ? `--groups=${groups.join(",")}` : "--clear-groups";
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, others, "--inh-caps=-all"];
}
