/** A person changes credentials on one host, after another one was killed during its request. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ExecutionContext } from "ava";
import { addRotating, startFleet, staticToken, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { answerOf } from "../helpers/sharing-host.ts";
import { until } from "../helpers/until.ts";

/** A host behind another one that was killed while it refreshed `rotating`. */
async function setup(t: ExecutionContext) {
  const store = { url: pathToFileURL(join(temporaryFolder(t), "store")).href };
  const issuer = await startIssuer(t, ({ form }) => {
    const sent = form.get("refresh_token") ?? "";
    // The answer to this one never comes.
    if (sent === "refresh-1") return undefined;
    const next = Number(sent.replace("refresh-", "")) + 1;
    return { json: answerOf(next) };
  });
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, { issuer }),
  );
  await until(async () => (await two!.cli(["get", "rotating"])).code === 0);
  const sent = () => issuer.requests.map(({ form }) => form.get("refresh_token"));
  const going = two!.cli(["refresh", "rotating"]).catch(() => {});
  await until(() => sent().includes("refresh-1"));
  process.kill(two!.pid, "SIGKILL");
  await going;
  return { sent, one: one! };
}

test("a change behind a killed host keeps no other one waiting, and another refresh token ends the wait", async (t) => {
  const { sent, one } = await setup(t);
  let isOver = false;
  const waits = one.cli(["set", "rotating", "--set", "reuse_grace=5"]).finally(() => {
    isOver = true;
  });
  // One that waits itself for the killed host's outcome.
  const refreshing = one.cli(["refresh", "rotating"]);
  succeeded(t, await one.cli(...staticToken("other")));
  succeeded(t, await one.cli(["reload"]));
  t.false(isOver, "the other changes had to wait");
  const input = JSON.stringify({ refresh_token: "refresh-900" });
  succeeded(t, await one.cli(["set", "rotating", "--force", "--secrets-from", "-"], { input }));
  succeeded(t, await waits);
  await refreshing;
  t.regex((await one.cli(["show", "rotating"])).stdout, /reuse_grace/);
  const arrived = sent();
  t.is(new Set(arrived).size, arrived.length, arrived.join());
});
