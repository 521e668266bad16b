/** A program of the same user puts other files into the vault's folder while the daemon trusts what it has opened. */
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import { newHeader } from "../../src/vault/header.ts";
import { derive } from "../../src/vault/scrypt.ts";
import { type Running, start } from "../helpers/child.ts";
import { type Daemon, MAIN, startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";

import { inOwnTerminal } from "../helpers/terminal.ts";
import { until } from "../helpers/until.ts";

const OWNER = "the owner's passphrase";
const THIEF = "a thief's passphrase";

/** A daemon whose vault is sealed with a passphrase, and a credential that asks a person. */
async function setup(t: ExecutionContext): Promise<Daemon & { header: string; forged: Buffer }> {
  const daemon = await startDaemon(t, { env: { AUTHD_VAULT_KEY: "passphrase" } });
  await unlock(daemon, OWNER);
  const args = ["add", "demo", "--grant", "static", "--set", "confirm=always"];
  const secrets = { input: JSON.stringify({ token: "token-of-the-test" }) };
  t.is((await daemon.cli([...args, "--secrets-from", "-"], secrets)).code, 0);
  const header = join(daemon.stateDir, "vault", "vault.json");
  return { ...daemon, header, forged: await forgedHeader(header) };
}

const unlock = ({ cli }: Daemon, input: string) =>
  cli(["unlock", "--passphrase-from", "-"], { input });

/** The header of the same vault, but for a key that the thief's passphrase makes. */
async function forgedHeader(path: string): Promise<Buffer> {
  const { keyId } = JSON.parse(readFileSync(path, "utf8"));
  const scrypt = { N: 2 ** 14, r: 8, p: 1, salt: "c2FsdA==" };
  const key = await derive(THIEF, scrypt);
  const header = newHeader(key, { keyId, keySource: "passphrase", scrypt });
  return Buffer.from(`${JSON.stringify(header)}\n`);
}

/** Puts the forged header in place for as long as `work` takes. */
async function swapped<T>(header: string, forged: Buffer, work: () => Promise<T>): Promise<T> {
  renameSync(header, `${header}.away`);
  writeFileSync(header, forged, { mode: 0o600 });
  try {
    return await work();
  } finally {
    renameSync(`${header}.away`, header);
  }
}

/** `authd ARGS…` in a shell of its own, which is who asks. */
function inShell(t: ExecutionContext, { env }: Daemon, args: readonly string[]): Running {
  const command = `${[process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(" ")}; exit $?`;
  return start(t, "bash", ["-c", command], { env });
}

onLinux(
  "vault.json, swapped while the vault is open, does not make another passphrase right",
  async (t) => {
    const daemon = await setup(t);
    const asker = inShell(t, daemon, ["get", "demo"]);
    const client = connect({ socket: daemon.socket });
    t.teardown(() => client.close());
    const waiting = () => client.request("approvals/pending", {});
    await until(async () => (await waiting()).approvals.length === 1);
    const answer = async (passphrase: string) => {
      const file = join(daemon.folder, "passphrase");
      writeFileSync(file, passphrase, { mode: 0o600 });
      return await inOwnTerminal(t, daemon, ["approve", "1", "--once", "--passphrase-from", file]);
    };
    const forged = await swapped(daemon.header, daemon.forged, () => answer(THIEF));
    t.is(forged.code, 6, forged.stdout);
    t.regex(forged.stderr, /not the vault's passphrase/);
    t.is((await waiting()).approvals.length, 1);
    const honest = await swapped(daemon.header, daemon.forged, () => answer(OWNER));
    t.is(honest.code, 0, honest.stderr);
    t.is((await asker.ended).stdout, "token-of-the-test\n");
  },
);

onLinux(
  "vault.json, swapped or removed while the vault is locked, opens it for nobody else",
  async (t) => {
    const daemon = await setup(t);
    t.is((await daemon.cli(["lock"])).code, 0);
    await swapped(daemon.header, daemon.forged, async () => {
      const thief = await unlock(daemon, THIEF);
      t.is(thief.code, 6, thief.stdout);
      t.regex(thief.stderr, /passphrase is wrong/);
      t.is((await unlock(daemon, OWNER)).code, 0);
      t.is((await daemon.cli(["lock"])).code, 0);
    });
    const sealed = join(daemon.stateDir, "vault", "demo.sealed");
    copyFileSync(sealed, join(daemon.folder, "kept"));
    for (const file of [sealed, daemon.header]) rmSync(file);
    t.is(
      (await unlock(daemon, THIEF)).code,
      6,
      "no new vault is begun under a passphrase of the thief's",
    );
    copyFileSync(join(daemon.folder, "kept"), sealed);
    t.is((await unlock(daemon, OWNER)).code, 0);
    const client = connect({ socket: daemon.socket });
    t.teardown(() => client.close());
    const { state } = await client.request("credentials/show", { credential: "demo" });
    t.is(state, "ready");
  },
);
