import { readdirSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { absent, missing } from "../optional.ts";
import { FileScope, type Scope } from "../scope.ts";
import { ROOT } from "../sources.ts";
import { type Case, type Feature, readCases } from "./case.ts";
import { Driver, type Program } from "./driver.ts";
import { play, playAt } from "./play.ts";
import { startSandbox } from "./sandbox.ts";
import type { Reach } from "./scripted-server.ts";

/** A client under test. */
export interface Subject {
  /** Returns how its driver is run, and builds it first if need be; or why this machine can't. */
  start(t: Scope): Program | string | Promise<Program | string>;
  /** Programs without which it can't be tested. */
  programs?: readonly string[];
  /** What its driver must announce, no more and no less. */
  features: readonly Feature[];
  /** Names of cases that can't be played where it runs. */
  leaves?: readonly string[];
  /** How it reaches the sockets of the tests, unless by their path. */
  reach?: Reach;
}

/** The cases for the daemon of `authd sandbox`; all other files are for the scripted server. */
const SANDBOX = "sandbox.json";
const FILES = readdirSync(join(ROOT, "test/conformance")).filter(
  (name) => name.endsWith(".json") && name !== SANDBOX,
);

/** Defines a test for each case that is for this client, one for its features, and one with a real daemon. */
export function conformance(
  client: string,
  { start, programs = [], features, leaves = [], reach }: Subject,
): void {
  const file = new FileScope();
  test.after.always(() => file.end());
  const lacking = absent(...programs);
  let program: Promise<Program | string> | undefined;
  let driver: Driver | undefined;
  const startOnce = () => {
    const why = `not installed: ${lacking.join(", ")}`;
    program ??= Promise.resolve(lacking.length > 0 ? why : start(file));
    return program;
  };
  const define = (title: string, work: (t: ExecutionContext, driver: Driver) => Promise<void>) =>
    test.serial(`${client}: ${title}`, async (t) => {
      // The first one may have to build.
      t.timeout(600_000);
      const how = await startOnce();
      if (typeof how === "string") return missing(t, how);
      if (driver === undefined || driver.isOver) driver = await Driver.start(file, how);
      const before = driver;
      // A driver that a failed case has left in an unknown state is replaced.
      driver = undefined;
      await work(t, before);
      driver = before;
    });

  define("its features", async (t, { features: announced }) => {
    t.deepEqual([...announced].sort(), [...features].sort());
  });
  const isFor = ({ name, needs = [] }: Case) =>
    needs.every((feature) => features.includes(feature)) && !leaves.includes(name);
  for (const name of FILES) {
    for (const one of readCases(name).filter(isFor)) {
      define(`${name.replace(".json", "")}: ${one.name}`, async (t, current) => {
        await play(t, current, one, reach);
        t.pass();
      });
    }
  }
  define("the daemon of authd sandbox", async (t, current) => {
    const { socket, values } = await startSandbox(t);
    const path = (await reach?.(socket))?.path ?? socket;
    for (const one of readCases(SANDBOX, values).filter(isFor)) {
      await t.notThrowsAsync(playAt(path, current, one), one.name);
    }
  });
  define("the driver ends with its input", async (t, current) => {
    t.is(await current.end(), 0);
  });
}
