/**
 * Issuers that tell the moment at which the connection was opened as `Date`, as uvicorn before 0.18
 * does, over real kept-alive connections.
 */
import type { Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import type { Credential } from "../../src/credential/credential.ts";
import { refreshLeadMs } from "../../src/credential/token.ts";
import { jwt } from "../helpers/acquire.ts";
import { startApi } from "../helpers/api.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HALF_AN_HOUR = 30 * MINUTE;

type Told = "exp" | "iat" | "expires_in";

interface Stage {
  engine: TestRegistry;
  credential: Credential;
  connections(): number;
  requests(): number;
  /** Sets the issuer's clock, ms. */
  step(ms: number): void;
  /** What is left of the token that it answers with, by the issuer's truth and by what callers are told. */
  ask(credential?: Credential): Promise<{ left: number; toldLeft: number }>;
  /** Time passes, and what falls due meanwhile is done. */
  pass(ms: number, credential?: Credential): Promise<void>;
}

/** One credential at such an issuer; the local clock is `ahead` (ms) of the issuer's, which is right. */
async function setup(
  t: ExecutionContext,
  { lifetime, ahead, told = ["exp"] }: { lifetime: number; ahead: number; told?: readonly Told[] },
): Promise<Stage> {
  const clock = new FakeClock();
  let epoch = clock.wall() - clock.boot() - ahead;
  const issuerNow = () => epoch + clock.boot();
  const openedAt = new WeakMap<Socket, number>();
  const ends = new Map<string, number>();
  const api = await startApi(t, (_, response) => {
    const now = Math.floor(issuerNow() / SECOND);
    const exp = now + lifetime / SECOND;
    const access_token = jwt({
      jti: `${ends.size}`,
      exp,
      ...(told.includes("iat") && { iat: now }),
    });
    ends.set(access_token, exp * SECOND);
    response.sendDate = false;
    const date = openedAt.get(response.socket!) ?? Number.NaN;
    response.writeHead(200, {
      date: new Date(date).toUTCString(),
      "content-type": "application/json",
    });
    const expires_in = told.includes("expires_in") ? lifetime / SECOND : undefined;
    response.end(JSON.stringify({ access_token, token_type: "bearer", expires_in }));
  });
  api.server.on("connection", (socket: Socket) => void openedAt.set(socket, issuerNow()));
  const engine = await startTestRegistry(t, { clock });
  const credential = await engine.add(
    "demo",
    { grant: "password", token_url: `${api.origin}/token`, username: "me" },
    { password: "practice" },
  );
  return {
    engine,
    credential,
    connections: () => api.connections,
    requests: () => api.seen.length,
    step(ms) {
      epoch += ms;
    },
    async ask(asked = credential) {
      const { accessToken, answer } = await asked.token({});
      const left = (ends.get(accessToken) ?? Number.NEGATIVE_INFINITY) - issuerNow();
      return { left, toldLeft: (answer.expiresAt ?? Number.NaN) - clock.wall() };
    },
    async pass(ms, of = credential) {
      clock.advance(ms);
      await until(() => of.state() !== "refreshing");
    },
  };
}

/** How often a token of this lifetime may be renewed in this time: a JWT may have lost a second as it comes. */
function mostRenewals(lifetime: number, span: number): number {
  const shortest = lifetime - SECOND;
  return Math.ceil(span / (shortest - refreshLeadMs(shortest, 0))) + 1;
}

for (const [name, ahead] of [
  ["right", 0],
  ["295 s ahead", 295 * SECOND],
  ["295 s behind", -295 * SECOND],
] as const) {
  for (const lifetime of [6 * SECOND, MINUTE, 5 * MINUTE]) {
    test.serial(
      `local clock ${name}, tokens of ${lifetime / SECOND} s: none is handed out after its end, none renewed too often`,
      async (t) => {
        const { ask, pass, requests, connections, credential } = await setup(t, {
          lifetime,
          ahead,
        });
        for (let passed = 0; passed < HALF_AN_HOUR; passed += lifetime / 8) {
          const { left, toldLeft } = await ask();
          if (left <= 0) t.fail(`after ${passed} ms: ended ${-left} ms ago`);
          // What is known of the issuer's clock is whole seconds.
          if (Math.abs(left - toldLeft) > 2 * SECOND) {
            t.fail(`after ${passed} ms: ${left} ms left, ${toldLeft} told`);
          }
          await pass(lifetime / 8);
        }
        const most = mostRenewals(lifetime, HALF_AN_HOUR);
        t.true(requests() <= most, `${requests()} requests, ${most} at most`);
        t.true(requests() > HALF_AN_HOUR / lifetime);
        t.is(credential.info().failureCount, 0);
        if (ahead === 0) t.true(connections() < requests(), "connections were used again");
      },
    );
  }
}

test.serial("a token from a kept-alive connection keeps its age over a restart", async (t) => {
  for (const ahead of [0, 295 * SECOND, -295 * SECOND]) {
    const { engine, ask, pass, requests } = await setup(t, { lifetime: 5 * MINUTE, ahead });
    await ask();
    await pass(4 * MINUTE);
    t.is(requests(), 2);
    const { clock, registry } = engine;
    const { left } = await ask();
    const settings = registry.get("demo").settings;
    const again = await engine.restart();
    const restored = again.registry.add(settings);
    const restoredLeft = await ask(restored);
    t.is(restoredLeft.left, left, "the same token");
    t.true(Math.abs(restoredLeft.toldLeft - left) <= 2 * SECOND);
    clock.advance(left - 1);
    await until(() => restored.state() !== "refreshing");
    t.true((await ask(restored)).left > 0);
  }
});

for (const [by, ahead, told] of [
  [20 * MINUTE, 295 * SECOND, ["exp"]],
  [-20 * MINUTE, 295 * SECOND, ["exp"]],
  [-3 * MINUTE, 295 * SECOND, ["exp"]],
  [-20 * MINUTE, 0, ["exp"]],
  [-3 * MINUTE, 0, ["exp"]],
  // Nothing else tells it over a connection from before.
  [20 * MINUTE, 0, ["exp", "iat"]],
  [3 * MINUTE, 0, ["exp", "iat"]],
] as const) {
  test.serial(
    `an issuer's clock set by ${by / SECOND} s, ours ${ahead / SECOND} s ahead: believed within seconds`,
    async (t) => {
      const lifetime = 5 * MINUTE;
      const { ask, pass, step, requests, credential } = await setup(t, { lifetime, ahead, told });
      await ask();
      await pass(MINUTE);
      step(by);
      // The token from before ends earlier or later than could be known.
      for (let passed = 0; passed < lifetime; passed += 5 * SECOND) {
        await pass(5 * SECOND);
        await Promise.resolve(credential.token({})).catch(() => {});
      }
      const { failureCount } = credential.info();
      t.true(failureCount <= 4, `${failureCount} failures`);
      const before = requests();
      for (let passed = 0; passed < HALF_AN_HOUR; passed += 10 * SECOND) {
        await pass(10 * SECOND);
        const { left } = await ask();
        if (left <= 0) t.fail(`ended ${-left} ms ago`);
      }
      t.is(credential.info().failureCount, failureCount);
      t.true(requests() - before <= mostRenewals(lifetime, HALF_AN_HOUR));
    },
  );
}
