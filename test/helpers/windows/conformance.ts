import test from "ava";
import type { Feature } from "../conformance/case.ts";
import { conformance } from "../conformance/conformance.ts";
import { Driver, type Program } from "../conformance/driver.ts";
import { playAt } from "../conformance/play.ts";
import { missing } from "../optional.ts";
import { FileScope, type Scope } from "../scope.ts";
import { lackingForWindows } from "./distribution.ts";
import { foreignPipe } from "./foreign-pipe.ts";
import { Windows } from "./host.ts";

/** A client under test whose driver runs on Windows. */
export interface WindowsSubject {
  /** Returns how its driver is run there; or why this machine can't. */
  start(t: Scope, windows: Windows): Promise<Program | string>;
  programs?: readonly string[];
  features: readonly Feature[];
  /**
   * Names of cases in which a command to the driver may come before what the server has sent earlier: both go over relays,
   * each its own.
   */
  leaves?: readonly string[];
}

const ASKS = [
  { client: { call: 1, do: "getToken", params: { credential: "a" } } },
  { expect: { call: 1, error: { reason: "no_daemon" } } },
];

/** Defines the tests of the conformance suite, over named pipes, and one with a pipe of somebody else. */
export function conformanceOnWindows(
  client: string,
  { start, programs = [], features, leaves = [] }: WindowsSubject,
): void {
  const file = new FileScope();
  test.after.always(() => file.end());
  let machine: Windows | undefined;
  let program: Promise<Program | string> | undefined;
  const startOnce = () => {
    program ??= (async () => {
      const lacking = lackingForWindows();
      if (lacking !== undefined) return lacking;
      machine = await Windows.start(file);
      return await start(file, machine);
    })();
    return program;
  };
  conformance(`${client} on Windows`, {
    ...{ start: startOnce, programs, features, leaves },
    reach: (socket) => machine!.publish(socket),
  });
  test.serial(`${client} on Windows: nothing is sent to a pipe of somebody else`, async (t) => {
    const how = await startOnce();
    if (typeof how === "string") return missing(t, how);
    const driver = await Driver.start(t, how);
    const foreign = await foreignPipe(t, machine!);
    await playAt(foreign.pipe, driver, { name: "foreign", steps: ASKS });
    t.deepEqual(new Set(await foreign.came(1)), new Set([0]));
  });
  test.serial(`${client} on Windows: a pipe that stays busy is given up`, async (t) => {
    const how = await startOnce();
    if (typeof how === "string") return missing(t, how);
    const driver = await Driver.start(t, how);
    const busy = await foreignPipe(t, machine!, { isBusy: true });
    const gaveUp = playAt(busy.pipe, driver, { name: "busy", steps: ASKS });
    await t.notThrowsAsync(gaveUp);
  });
}
