import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { absent, missing } from "../optional.ts";
import { FileScope } from "../scope.ts";
import { ROOT } from "../sources.ts";
import { type Feature, readCases } from "./case.ts";
import { Driver, type Program } from "./driver.ts";
import { play, playAt } from "./play.ts";
import { startSandbox } from "./sandbox.ts";

/** A client under test. */
export interface Subject {
  /** Returns how its driver is run, and builds it first if need be. */
  start(): Program | Promise<Program>;
  /** Programs without which it can't be tested. */
  programs?: readonly string[];
  /** What its driver must announce, no more and no less. */
  features: readonly Feature[];
}

/** The cases for the daemon of `authd sandbox`; all other files are for the scripted server. */
const SANDBOX = "sandbox.json";

/** Defines a test for each case that is for this client, and one for its features. */
export function conformance(client: string, { start, programs = [], features }: Subject): void {
  const lacking = absent(...programs);
  if (lacking.length > 0) {
    test(`${client}: conformance`, (t) => missing(t, `not installed: ${lacking.join(", ")}`));
    return;
  }
  const file = new FileScope();
  test.after.always(() => file.end());
  let program: Promise<Program> | undefined;
  let driver: Driver | undefined;
  // A driver that a failed case has left in an unknown state is replaced.
  const ready = async () => {
    program ??= Promise.resolve(start());
    if (driver === undefined || driver.isOver) driver = await Driver.start(file, await program);
    return driver;
  };
  const tested = async (work: (driver: Driver) => Promise<void>) => {
    const current = await ready();
    try {
      await work(current);
    } catch (error) {
      driver = undefined;
      throw error;
    }
  };

  test.serial(`${client}: its features`, async (t) => {
    t.timeout(600_000);
    t.deepEqual([...(await ready()).features].sort(), [...features].sort());
  });

  const isFor = ({ needs = [] }: { needs?: Feature[] }) =>
    needs.every((feature) => features.includes(feature));
  const files = readdirSync(join(ROOT, "test/conformance")).filter(
    (name) => name.endsWith(".json") && name !== SANDBOX,
  );
  for (const name of files) {
    for (const one of readCases(name).filter(isFor)) {
      test.serial(`${client}: ${name.replace(".json", "")}: ${one.name}`, async (t) => {
        await t.notThrowsAsync(tested((current) => play(t, current, one)));
      });
    }
  }

  test.serial(`${client}: the daemon of authd sandbox`, async (t) => {
    const { socket, values } = await startSandbox(t);
    for (const one of readCases(SANDBOX, values).filter(isFor)) {
      const played = tested((current) => playAt(socket, current, one));
      await t.notThrowsAsync(played, one.name);
    }
  });

  test.serial(`${client}: the driver ends with its input`, async (t) => {
    t.is(await (await ready()).end(), 0);
  });
}
