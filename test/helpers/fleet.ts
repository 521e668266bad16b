import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type Daemon, startDaemon } from "./daemon.ts";
import type { ReuseIssuer } from "./reuse-issuer.ts";

/** Where a store is, and the password of its role. */
export interface FleetStore {
  url: string;
  password?: string;
}

/** Starts a daemon that is called `host` in a store, which it does not share yet. `more`: lines of `[store]`. */
export async function startHost(
  t: ExecutionContext,
  { url, password }: FleetStore,
  host: string,
  more: readonly string[] = [],
): Promise<Daemon> {
  const daemon = await startDaemon(t);
  const lines = ["[store]", `url = ${JSON.stringify(url)}`, `host = "${host}"`, ...more];
  if (password !== undefined) {
    const file = join(daemon.folder, "store-password");
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    lines.push(`password_file = ${JSON.stringify(file)}`);
  }
  mkdirSync(daemon.configDir, { recursive: true, mode: 0o700 });
  writeFileSync(join(daemon.configDir, "config.toml"), `${lines.join("\n")}\n`, { mode: 0o600 });
  return daemon;
}

/** Starts hosts that share a store: the first moves its credentials there, the others join. */
export async function startFleet(
  t: ExecutionContext,
  store: FleetStore,
  names: readonly string[],
  prepare: (first: Daemon) => Promise<unknown>,
): Promise<Daemon[]> {
  const [name = "", ...others] = names;
  const first = await startHost(t, store, name);
  await prepare(first);
  succeeded(t, await first.cli(["vault", "move", "--to", store.url]));
  const rest = await Promise.all(others.map((other) => startHost(t, store, other)));
  for (const host of rest) await letIn(t, store, first, host);
  return [first, ...rest];
}

/** One host lets another one into groups; without any, into the default group. */
export async function letIn(
  t: ExecutionContext,
  { url }: FleetStore,
  first: Daemon,
  host: Daemon,
  ...groups: readonly string[]
): Promise<void> {
  const options = groups.length > 0 ? ["--group", ...groups] : [];
  const { stdout } = succeeded(t, await first.cli(["fleet", "invite", ...options]));
  succeeded(t, await host.cli(["fleet", "join", url, "--invite", "-"], { input: stdout }));
}

/** Adds a static token that is called as its credential; `group`: in a group. */
export async function addStatic(
  t: ExecutionContext,
  daemon: Daemon,
  name: string,
  group?: string,
): Promise<void> {
  succeeded(t, await daemon.cli(...staticToken(name, group)));
}

/** Returns the command that does so. */
export function staticToken(name: string, group?: string): [string[], { input: string }] {
  const args = ["add", name, "--grant", "static", "--secrets-from", "-"];
  const settings = ["origins=https://api.example.com", ...(group ? [`group=${group}`] : [])];
  const input = JSON.stringify({ token: `token-of-${name}` });
  return [[...args, ...settings.flatMap((pair) => ["--set", pair])], { input }];
}

/** Adds a credential whose refresh token rotates. */
export async function addRotating(
  t: ExecutionContext,
  daemon: Daemon,
  { issuer }: Pick<ReuseIssuer, "issuer">,
  more: readonly string[] = [],
): Promise<void> {
  const settings = [`token_url=${issuer.url}`, "client_id=app", ...more];
  const args = ["add", "rotating", "--grant", "refresh_token", "--secrets-from", "-"];
  const pairs = settings.flatMap((pair) => ["--set", pair]);
  const input = JSON.stringify({ refresh_token: "refresh-0" });
  succeeded(t, await daemon.cli([...args, ...pairs], { input }));
}

/** Returns what a command said; ends the test if it failed. */
export function succeeded<Said extends { code: number | null; stdout: string; stderr: string }>(
  t: ExecutionContext,
  said: Said,
): Said {
  if (said.code !== 0) t.fail(said.stderr);
  return said;
}
