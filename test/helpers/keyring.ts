import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type Running, start } from "./child.ts";
import { temporaryFolder } from "./folder.ts";

/** A D-Bus session of its own, and a gnome-keyring to start in it. */
export interface KeyringSession {
  /** What a program in this session has in its environment. */
  env: NodeJS.ProcessEnv;
  /** With the password the keyring is unlocked, otherwise it stays locked. */
  startKeyring(password?: string): Promise<Running>;
}

/** What it takes, of the Debian packages dbus and gnome-keyring. */
export const programs = ["dbus-daemon", "dbus-send", "gnome-keyring-daemon"];

export async function startSession(t: ExecutionContext): Promise<KeyringSession> {
  const home = temporaryFolder(t);
  mkdirSync(join(home, ".local/share/keyrings"), { recursive: true });
  const address = `unix:path=${join(home, "bus")}`;
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    XDG_RUNTIME_DIR: home,
    DBUS_SESSION_BUS_ADDRESS: address,
  };
  const bus = ["--session", "--nofork", "--nosyslog", `--address=${address}`, "--print-address"];
  await start(t, "dbus-daemon", bus, { env }).says("bus");
  return { env, startKeyring: (password) => startKeyring(t, env, password) };
}

async function startKeyring(
  t: ExecutionContext,
  env: NodeJS.ProcessEnv,
  password: string | undefined,
): Promise<Running> {
  const args = ["--foreground", "--components=secrets"];
  if (password !== undefined) args.push("--unlock");
  const keyring = start(t, "gnome-keyring-daemon", args, { env, stdio: ["pipe", "pipe", "pipe"] });
  keyring.child.stdin!.end(password === undefined ? "" : `${password}\n`);
  let ended = false;
  void keyring.ended.then(() => {
    ended = true;
  });
  while (!hasSecretService(env)) {
    if (ended) throw new Error(`gnome-keyring-daemon ended: ${(await keyring.ended).stderr}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  return keyring;
}

/** Asks the bus itself: a call to the service would make the bus start another keyring. */
function hasSecretService(env: NodeJS.ProcessEnv): boolean {
  const question = "org.freedesktop.DBus.NameHasOwner";
  const args = ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", question];
  const { stdout } = spawnSync("dbus-send", [...args, "string:org.freedesktop.secrets"], { env });
  return String(stdout).includes("boolean true");
}
