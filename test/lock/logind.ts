import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/daemon/system-clock.ts";
import { Logind, type LogindOptions } from "../../src/lock/logind.ts";
import { absent, missing } from "../helpers/optional.ts";
import { programs, startSystemBus } from "../helpers/system-bus.ts";
import { until } from "../helpers/until.ts";

const missingHere = absent(...programs);
const ME = process.geteuid?.() ?? 0;
const SESSION = "/org/freedesktop/login1/session/_31";

function withBus(title: string, run: (t: ExecutionContext) => Promise<void>) {
  test(title, async (t) => {
    if (missingHere.length === 0) return run(t);
    missing(t, `not installed: ${missingHere.join(", ")}`);
  });
}

function listen(t: ExecutionContext, options: Partial<LogindOptions>) {
  const warnings: string[] = [];
  const quiet = () => {};
  const warn = (_: object, text: string) => void warnings.push(text);
  const logind = new Logind({
    env: process.env,
    clock: systemClock(),
    log: { debug: quiet, info: quiet, error: quiet, warn },
    events: ["suspend", "screen"],
    lock: async () => {},
    ...options,
  });
  t.teardown(() => logind.close());
  return { logind, warnings };
}

/** Says it again until it is heard: who watches the bus may only be about to. */
async function tellUntil(tell: () => void, heard: () => boolean): Promise<void> {
  for (let i = 0; !heard(); i++) {
    if (i % 50 === 0) tell();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

withBus("sleep waits until the vault is locked, each time", async (t) => {
  const { env, logind: stand, tell } = await startSystemBus(t, ME);
  const locked: string[] = [];
  let lockNow = () => {};
  const lock = (event: string) => {
    locked.push(event);
    return new Promise<void>((done) => {
      lockNow = done;
    });
  };
  const { logind, warnings } = listen(t, { env: { ...process.env, ...env }, lock });
  await stand.says("inhibited sleep delay\n");
  await tellUntil(
    () => tell("sleep"),
    () => locked.length > 0,
  );
  t.is(locked[0], "suspend");
  t.notRegex(await stand.says("inhibited"), /released/);
  lockNow();
  await stand.says("released");
  tell("wake");
  await stand.says("released\ninhibited sleep delay\n");
  t.deepEqual(warnings, []);
  t.deepEqual(logind.status, [{ event: "suspend" }, { event: "screen" }]);
  logind.close();
  await stand.says("inhibited sleep delay\nreleased\ninhibited sleep delay\nreleased\n");
});

for (const how of ["lock", "hint"]) {
  withBus(`a screen of ours that is locked (${how}) locks the vault`, async (t) => {
    const { env, tell } = await startSystemBus(t, ME);
    const locked: string[] = [];
    const lock = async (event: string) => void locked.push(event);
    listen(t, { env: { ...process.env, ...env }, events: ["screen"], lock });
    await tellUntil(
      () => tell(`${how} ${SESSION}`),
      () => locked.length > 0,
    );
    t.is(locked[0], "screen");
  });
}

withBus("another user's screen does not, nor does sleep where it was not asked for", async (t) => {
  const { env, tell } = await startSystemBus(t, ME + 1);
  const locked: string[] = [];
  const lock = async (event: string) => void locked.push(event);
  listen(t, { env: { ...process.env, ...env }, events: ["screen"], lock });
  for (let i = 0; i < 4; i++) {
    tell("sleep");
    tell(`lock ${SESSION}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  t.deepEqual(locked, []);
});

test("without a bus it says so once, and goes on", async (t) => {
  const env = { PATH: process.env.PATH, DBUS_SYSTEM_BUS_ADDRESS: "unix:path=/nowhere/bus" };
  const { logind, warnings } = listen(t, { env, events: ["screen"] });
  await until(() => warnings.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  t.is(warnings.length, 1);
  t.is(typeof logind.status[0]?.error, "string");
});

test("without the program it says which is missing", async (t) => {
  const { logind, warnings } = listen(t, { env: { PATH: "/nowhere" }, events: ["suspend"] });
  await until(() => warnings.length === 2);
  t.regex(warnings.join(), /gdbus is not installed/);
  t.regex(logind.status[0]!.error!, /gdbus is not installed/);
});

test("elsewhere than on Linux it says that there is none", (t) => {
  const { logind } = listen(t, { platform: "darwin" });
  t.regex(logind.status[0]!.error!, /no logind on darwin/);
});
