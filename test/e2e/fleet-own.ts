/** A host that runs for a while without `[store]`: what a person enters there meanwhile is not lost. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ExecutionContext } from "ava";
import type { CredentialInfo } from "../../src/protocol.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { addRotating, addStatic, startFleet, staticToken, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

const OWN = /the store has \w+, and this host has secrets of its own for it/;

/** Two hosts, of which the second ran without `[store]` while `change` was made there. */
async function setup(
  t: ExecutionContext,
  prepare: (first: Daemon) => Promise<unknown>,
  change: (alone: Daemon) => Promise<unknown>,
) {
  const store = { url: pathToFileURL(join(temporaryFolder(t), "store")).href };
  const [one, two] = await startFleet(t, store, ["one", "two"], prepare);
  const config = join(two!.configDir, "config.toml");
  const named = readFileSync(config, "utf8");
  await two!.stop();
  writeFileSync(config, "");
  const alone = await startDaemon(t, { home: two! });
  await change(alone);
  await alone.stop();
  writeFileSync(config, named);
  const back = await startDaemon(t, { home: two! });
  await until(async () => (await back.cli(["health"])).code === 0);
  return { one: one!, back };
}

const entering = (token: string) => ({ input: JSON.stringify({ token }) });

async function setToken(t: ExecutionContext, host: Daemon, name: string, token: string) {
  succeeded(t, await host.cli(["set", name, "--secrets-from", "-"], entering(token)));
}

const tokenOf = async (host: Daemon, name: string) => (await host.cli(["get", name])).stdout.trim();

async function troublesOf(t: ExecutionContext, host: Daemon): Promise<string[]> {
  const { stdout } = succeeded(t, await host.cli(["list", "--json"]));
  const { credentials } = JSON.parse(stdout) as { credentials: CredentialInfo[] };
  return credentials.flatMap(({ troubles = [] }) => troubles.map(({ message }) => message));
}

test("what was entered or added on a host without [store] stays there, is told, and goes by remove", async (t) => {
  const { one, back } = await setup(
    t,
    async (first) => {
      for (const name of ["fixed", "added", "same"]) await addStatic(t, first, name);
    },
    async (alone) => {
      await setToken(t, alone, "fixed", "entered");
      await alone.cli(["remove", "added"]);
      const [args] = staticToken("added");
      succeeded(t, await alone.cli(args, entering("added-anew")));
    },
  );
  await until(async () => (await troublesOf(t, back)).length === 2);
  for (const message of await troublesOf(t, back)) t.regex(message, OWN);
  t.is(await tokenOf(back, "fixed"), "entered");
  t.is(await tokenOf(back, "added"), "added-anew");
  for (const command of ["status", "doctor"])
    t.regex((await back.cli([command])).stdout, /authd remove fixed/);

  // Neither what the others enter, nor what is entered here once more, changes that.
  await setToken(t, one, "fixed", "of-the-others");
  await setToken(t, one, "same", "second");
  await until(async () => (await tokenOf(back, "same")) === "second");
  t.is(await tokenOf(back, "fixed"), "entered");
  await setToken(t, back, "fixed", "entered-again");
  t.is(await tokenOf(back, "fixed"), "entered-again");
  t.is(await tokenOf(one, "fixed"), "of-the-others");

  succeeded(t, await back.cli(["remove", "fixed"]));
  await until(async () => (await tokenOf(back, "fixed")) === "of-the-others");
  t.is(await tokenOf(one, "fixed"), "of-the-others");
  succeeded(t, await back.cli(["remove", "added"]));
  await until(async () => (await tokenOf(back, "added")) === "token-of-added");
  await setToken(t, back, "added", "for-all");
  await until(async () => (await tokenOf(one, "added")) === "for-all");
  await until(async () => (await troublesOf(t, back)).length === 0);
});

test("a refresh token that was entered on a host without [store] is spent by it alone", async (t) => {
  const issuer = await startIssuer(t, ({ form }) => {
    const next = Number(form.get("refresh_token")?.replace("refresh-", "")) + 1;
    const tokens = { access_token: `token-${next}`, refresh_token: `refresh-${next}` };
    return { json: { ...tokens, token_type: "Bearer", expires_in: 3_600 } };
  });
  const { one, back } = await setup(
    t,
    (first) => addRotating(t, first, { issuer }),
    async (alone) => {
      const input = JSON.stringify({ refresh_token: "refresh-500" });
      succeeded(t, await alone.cli(["set", "rotating", "--secrets-from", "-"], { input }));
    },
  );
  await until(async () => (await troublesOf(t, back)).length === 1);
  const last = await tokenOf(back, "rotating");
  t.regex(last, /^token-50\d$/);
  succeeded(t, await back.cli(["refresh", "rotating"]));
  succeeded(t, await one.cli(["refresh", "rotating"]));
  t.is(await tokenOf(back, "rotating"), `token-${Number(last.slice(6)) + 1}`);
  t.regex(await tokenOf(one, "rotating"), /^token-\d$/);
  const sent = issuer.requests.map(({ form }) => form.get("refresh_token"));
  t.is(new Set(sent).size, sent.length, "none is sent twice");
  const fleet = JSON.parse(succeeded(t, await one.cli(["fleet", "status", "--json"])).stdout);
  t.is(fleet.credentials[0].committedBy, "one");
  // What the store has would be lost.
  succeeded(t, await back.cli(["fleet", "remove", "one"]));
  const leaves = await back.cli(["vault", "move", "--to", "file:"]);
  t.is(leaves.code, 2);
  t.regex(leaves.stderr, /remove it here first \(authd remove rotating\)\. Nothing was changed/);
});
