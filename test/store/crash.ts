/** A host that ends itself at a named instant of a refresh, while another one shares its credential. */

import test from "ava";
import type { CrashPoint } from "../helpers/crash-points.ts";
import { startCrashableDaemon } from "../helpers/crashable-daemon.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { addRotating, startFleet, succeeded } from "../helpers/fleet.ts";
import { type Postgres, startPostgres } from "../helpers/postgres.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { FileScope } from "../helpers/scope.ts";
import { until } from "../helpers/until.ts";

const scope = new FileScope();
let server: Postgres;
test.before(async () => {
  server = await startPostgres(scope);
});
test.after.always(() => scope.end());

/** What the next start comes to: it goes on; a person has to say that the token may be tried; the token is gone. */
type Outcome = "goes on" | "asks" | "lost";
const POINTS: readonly [CrashPoint, Outcome][] = [
  ["before the intent", "goes on"],
  ["with the intent's folder synced", "asks"],
  ["with the request sent", "lost"],
  ["with the rotated token renamed into place", "goes on"],
  ["with the rotated token's folder synced", "goes on"],
];

for (const [point, outcome] of POINTS) {
  test(`killed ${point}: it ${outcome}, and no token is sent twice`, async (t) => {
    const reuse = await startReuseIssuer(t);
    reuse.holding = false;
    const { url, password } = await server.createDatabase();
    const store = { url, password: password!() };
    const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
      addRotating(t, first, reuse),
    );
    await one!.stop();
    const crashable = await startCrashableDaemon(t, one!);
    const before = reuse.arrived.length;
    await crashable.arm(point);
    await one!.cli(["refresh", "rotating"]);
    await crashable.ended;
    const wasSent = reuse.arrived.length > before;
    t.is(wasSent, !["before the intent", "with the intent's folder synced"].includes(point));
    await startDaemon(t, { home: one! });
    succeeded(t, await two!.cli(["get", "rotating"]));
    if (outcome !== "goes on") {
      const listed = async () => JSON.parse((await one!.cli(["list", "--json"])).stdout);
      await until(async () => (await listed()).credentials[0].state === "login_required");
    }
    if (outcome === "lost") t.is(reuse.arrived.length, before + 1);
    else {
      // A person's wish, where the host can't know that it sent nothing.
      if (outcome === "asks") succeeded(t, await one!.cli(["refresh", "rotating"]));
      await until(async () => (await two!.cli(["refresh", "rotating"])).code === 0);
      const token = succeeded(t, await two!.cli(["get", "rotating"])).stdout;
      await until(async () => (await one!.cli(["get", "rotating"])).stdout === token);
    }
    t.false(reuse.isRevoked);
    t.is(new Set(reuse.arrived).size, reuse.arrived.length);
  });
}
