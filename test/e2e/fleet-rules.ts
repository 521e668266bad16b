/** Rules and questions are those of each host. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { Daemon } from "../helpers/daemon.ts";
import { addStatic, startFleet, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onLinux as test } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

/** Asks a host for the token, and resolves when a person there is asked; nobody answers. */
async function asks(t: ExecutionContext, { socket }: Daemon): Promise<void> {
  const [asker, looker] = [connect({ socket }), connect({ socket })];
  const token = asker.getToken({ credential: "fixed" });
  const pending = async () => (await looker.request("approvals/pending", {})).approvals;
  await until(async () => (await pending()).length === 1);
  t.like((await pending())[0], { credential: "fixed" });
  asker.close();
  await t.throwsAsync(token);
  await until(async () => (await pending()).length === 0);
  looker.close();
}

async function questionsOf({ socket }: Daemon): Promise<number> {
  const client = connect({ socket });
  const { approvals } = await client.request("approvals/pending", {});
  client.close();
  return approvals.length;
}

test("rules and questions of one host are none of another, also when secrets change and a host is removed", async (t) => {
  const url = pathToFileURL(join(temporaryFolder(t), "store")).href;
  const hosts = await startFleet(t, { url }, ["one", "two", "three"], (first) =>
    addStatic(t, first, "fixed"),
  );
  const [one, two, three] = hosts as [Daemon, Daemon, Daemon];
  const served = async (host: Daemon) => (await host.cli(["get", "fixed"])).stdout;
  const hold = async (token: string) => {
    t.is((await one.cli(["get", "fixed"])).code, 6);
    await asks(t, two);
    t.is(await questionsOf(one), 0);
    t.is(await questionsOf(three), 0);
    t.is(await served(three), token);
  };
  succeeded(t, await one.cli(["set", "fixed", "--set", "expose=request"]));
  t.is((await one.cli(["get", "fixed"])).code, 6);
  t.is(await served(two), "token-of-fixed\n");
  succeeded(t, await two.cli(["set", "fixed", "--set", "confirm=always"]));
  await hold("token-of-fixed\n");

  // Secrets of one host are used by all, each by its own rules.
  const input = JSON.stringify({ token: "second" });
  succeeded(t, await three.cli(["set", "fixed", "--secrets-from", "-"], { input }));
  const isEverywhere = async () => {
    const { stdout } = succeeded(t, await three.cli(["fleet", "status", "--json"]));
    const { version } = JSON.parse(stdout).credentials[0];
    const here = await Promise.all(
      [one, two].map((host) => host.cli(["fleet", "status", "--json"])),
    );
    return here.every(
      ({ stdout: said }) => JSON.parse(said).credentials[0].versionHere === version,
    );
  };
  await until(isEverywhere);
  await hold("second\n");

  // A host that is removed asks as before.
  succeeded(t, await one.cli(["fleet", "remove", "two"]));
  await hold("second\n");
});
