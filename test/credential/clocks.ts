/**
 * Every class of lifetimes under everything that clocks do, at issuers whose own clock is right, or
 * five minutes off.
 */
import test, { type ExecutionContext } from "ava";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { CredentialInfo } from "../../src/protocol.ts";
import { jwt } from "../helpers/acquire.ts";
import type { FakeClock } from "../helpers/fake-clock.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import { type StubResponse, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const CENTURY = 3_122_063_999 * SECOND;

interface Class {
  /** The truth, ms. */
  lifetime: number;
  /** Names the issuer's answer says it with; none: it tells no lifetime. */
  told: readonly ("expires_in" | "exp" | "iat" | "date")[];
}
const CLASSES: readonly Class[] = [
  { lifetime: 4 * SECOND, told: ["expires_in"] },
  { lifetime: 20 * SECOND, told: ["expires_in"] },
  { lifetime: 5 * MINUTE, told: ["exp", "date"] },
  { lifetime: HOUR, told: ["expires_in"] },
  { lifetime: HOUR, told: ["exp", "iat"] },
  { lifetime: DAY, told: ["expires_in", "exp", "iat", "date"] },
  { lifetime: 30 * DAY, told: ["expires_in"] },
  { lifetime: CENTURY, told: ["expires_in"] },
  { lifetime: CENTURY, told: [] },
];

/** What happens to the clocks, and for how long nothing else does (ms). */
const CHANGES: Readonly<Record<string, (clock: FakeClock) => void>> = {
  "stepped forward by an hour": (clock) => clock.stepWall(HOUR),
  "stepped back by an hour": (clock) => clock.stepWall(-HOUR),
  "stepped forward by a year": (clock) => clock.stepWall(YEAR),
  "stepped back by a year": (clock) => clock.stepWall(-YEAR),
  "slewed by 500 ppm": (clock) => {
    clock.rate = 1.0005;
  },
  "slewed the other way": (clock) => {
    clock.rate = 0.9995;
  },
  "5 % too fast": (clock) => {
    clock.rate = 1.05;
  },
  "5 % too slow": (clock) => {
    clock.rate = 0.95;
  },
  "suspended for three seconds": (clock) => clock.suspend(3 * SECOND),
  "suspended for two hours": (clock) => clock.suspend(2 * HOUR),
  "suspended for a year": (clock) => clock.suspend(YEAR),
  "suspended while the wall clock stood": (clock) => {
    clock.suspend(2 * HOUR);
    clock.stepWall(-2 * HOUR);
    // Nobody can know before the boot clock is asked again.
    clock.advance(30 * SECOND);
  },
};

/** One credential at an issuer whose truth is boot time; its wall clock is `ahead` of what ours was at first. */
async function setup(t: ExecutionContext, { lifetime, told }: Class, ahead = 0) {
  const engine = await startTestRegistry(t);
  const { clock } = engine;
  const epoch = clock.wall() - clock.boot() + ahead;
  const ends = new Map<string, number>();
  const answer = (): StubResponse => {
    const seconds = lifetime / SECOND;
    const now = Math.floor((epoch + clock.boot()) / SECOND);
    const claims = {
      jti: `${ends.size}`,
      ...(told.includes("iat") && { iat: now }),
      ...(told.includes("exp") && { exp: now + seconds }),
    };
    const access_token = told.includes("exp") ? jwt(claims) : `token-${ends.size}`;
    // A JWT ends with the whole second in its `exp`.
    ends.set(
      access_token,
      told.includes("exp") ? (now + seconds) * SECOND - epoch : clock.boot() + lifetime,
    );
    return {
      ...(told.includes("date") && { headers: { date: new Date(now * SECOND).toUTCString() } }),
      json: {
        access_token,
        token_type: "bearer",
        ...(told.includes("expires_in") && { expires_in: seconds }),
      },
    };
  };
  const issuer = await startIssuer(t, (_, response) => {
    response.sendDate = false;
    return answer();
  });
  const credential = await engine.add(
    "demo",
    { grant: "client_credentials", token_url: issuer.url, client_id: "app" },
    { client_secret: "practice" },
  );
  const settled = () => until(() => credential.state() !== "refreshing");
  /** What is left of what it answers, by the issuer's truth and by what it tells. */
  const ask = async () => {
    const { accessToken, answer } = await credential.token({});
    const left = (ends.get(accessToken) ?? 0) - clock.boot();
    const toldLeft = answer.expiresAt === null ? null : answer.expiresAt - clock.wall();
    return { left, toldLeft };
  };
  return { engine, clock, issuer, credential, settled, ask };
}

/** Renewals are this far apart at least. */
const leastApart = (lifetime: number) =>
  Math.min(lifetime / 2 - Math.min(lifetime / 10, 12 * SECOND), 45 * MINUTE);

for (const [what, change] of Object.entries(CHANGES)) {
  test.serial(
    `${what}: no token is served that has ended, none renewed more than it must be, none forgotten`,
    async (t) => {
      await Promise.all(
        CLASSES.map(async (given) => {
          const name = `${given.lifetime / SECOND} s told by ${given.told.join(" and ") || "nothing"}`;
          const { clock, issuer, credential, settled, ask } = await setup(t, given);
          await ask();
          clock.advance(SECOND);
          change(clock);
          await settled();
          const first = await ask();
          t.true(first.left > 0, `${name}: ended ${-first.left} ms ago`);
          if (first.toldLeft !== null)
            t.true(
              Math.abs(first.toldLeft - first.left) <= SECOND,
              `${name}: ${first.toldLeft} told`,
            );
          const before = issuer.requests.length;
          t.true(before <= 3, `${name}: ${before} requests`);
          const span = Math.min(3 * given.lifetime, 2 * DAY);
          const step = Math.min(given.lifetime / 8, HOUR);
          for (let passed = 0; passed < span; passed += step) {
            clock.advance(step);
            await settled();
            const { left } = await ask();
            if (left <= 0) t.fail(`${name}: ended ${-left} ms ago`);
          }
          const most = Math.ceil(span / leastApart(given.lifetime)) + 1;
          const count = issuer.requests.length - before;
          t.true(count <= most, `${name}: ${count} requests, ${most} at most`);
          if (given.lifetime < span) t.true(count >= 2, `${name}: ${count} requests`);
          checkTimes(t, credential.info(), clock);
        }),
      );
    },
  );
}

/** What was is not told as to come, nor what is to come as gone. */
function checkTimes(t: ExecutionContext, info: CredentialInfo, clock: FakeClock): void {
  t.is(info.state, "ready");
  t.is(info.failureCount, 0);
  t.true((info.lastRefreshAt ?? 0) <= clock.wall());
  t.true((info.expiresAt ?? Number.POSITIVE_INFINITY) > clock.wall());
  t.true((info.refreshAt ?? 0) > clock.wall());
}

for (const ahead of [5 * MINUTE, -5 * MINUTE]) {
  const side = ahead > 0 ? "ahead" : "behind";
  for (const told of [
    ["expires_in"],
    ["exp", "date"],
    ["exp", "iat"],
    ["exp", "iat", "date"],
    ["expires_in", "exp", "date"],
    // Nothing says how far its clock is off.
    ["expires_in", "exp"],
  ] as const) {
    test.serial(
      `an issuer whose clock is five minutes ${side} tells it with ${told.join(" and ")}`,
      async (t) => {
        for (const lifetime of [20 * SECOND, 4 * MINUTE, HOUR]) {
          const given = await setup(t, { lifetime, told }, ahead);
          const { clock, issuer, credential, settled, ask } = given;
          for (let passed = 0; passed < 4 * lifetime; passed += lifetime / 8) {
            const { left } = await ask();
            t.true(left > 0, `${lifetime} ms: ended ${-left} ms ago`);
            clock.advance(lifetime / 8);
            await settled();
          }
          const most = (4 * lifetime) / leastApart(lifetime) + 2;
          t.true(issuer.requests.length <= most, `${lifetime} ms: ${issuer.requests.length}`);
          t.is(credential.info().failureCount, 0);
        }
      },
    );
  }
}

test.serial("a JWT does not live longer for an answer that took long", async (t) => {
  const { clock, issuer, ask, engine, credential } = await setup(
    t,
    { lifetime: MINUTE, told: ["exp", "date"] },
    5 * MINUTE,
  );
  const held = new HeldAnswers();
  const made = { at: clock.wall() + 5 * MINUTE };
  issuer.answer((_, response) => {
    response.setHeader("date", new Date(made.at).toUTCString());
    return held.answer(_, response);
  });
  const asked = credential.token({});
  await until(() => issuer.requests.length === 1);
  clock.advance(4 * SECOND);
  held.release({ access_token: jwt({ exp: made.at / SECOND + 60 }), token_type: "bearer" });
  t.is((await asked).token.lifetime, MINUTE);
  t.is(engine.events.at(-1)?.credential, "demo");
  await ask();
});

test.serial(
  "a token that ran out while its answer was on its way, as the machine slept, is asked for once more",
  async (t) => {
    const { clock, issuer, credential } = await setup(t, { lifetime: HOUR, told: [] });
    const held = new HeldAnswers();
    issuer.answer(held.answer);
    const answer = (access_token: string) => ({
      access_token,
      token_type: "bearer",
      expires_in: 60,
    });
    const asked = credential.token({}) as Promise<IssuedToken>;
    await until(() => issuer.requests.length === 1);
    clock.suspend(HOUR);
    held.release(answer("late"));
    await until(() => issuer.requests.length === 2);
    held.release(answer("in time"));
    t.is((await asked).accessToken, "in time");
    t.is(credential.info().failureCount, 0);
    // Not for ever: if the machine sleeps each time, it counts as a failure.
    clock.advance(2 * SECOND);
    const forced = credential.token({ forceRefresh: true }) as Promise<IssuedToken>;
    for (const count of [3, 4]) {
      await until(() => issuer.requests.length === count);
      clock.suspend(70 * SECOND);
      held.release(answer("late again"));
    }
    await t.throwsAsync(forced, { message: /already expired/ });
    t.is(issuer.requests.length, 4);
  },
);

test.serial(
  "after a sleep no request goes over a connection that was kept alive before",
  async (t) => {
    const { clock, issuer, credential } = await setup(t, { lifetime: HOUR, told: [] });
    const forgotten = new Set<unknown>();
    let count = 0;
    issuer.answer((_, response) => {
      if (forgotten.has(response.socket)) {
        response.socket?.resetAndDestroy();
        return undefined;
      }
      forgotten.add(response.socket);
      return {
        json: { access_token: `token-${++count}`, token_type: "bearer", expires_in: 3_600 },
      };
    });
    await credential.token({});
    clock.suspend(2 * HOUR);
    t.is((await credential.token({})).accessToken, "token-2");
    t.is(credential.info().failureCount, 0);
  },
);

test.serial(
  "although renewals are spread after a jump, none is put off until its token has ended",
  async (t) => {
    const short = { lifetime: 4 * SECOND, told: ["expires_in"] } as const;
    const { clock, issuer, credential, ask } = await setup(t, short);
    clock.chance = 0.999;
    await ask();
    clock.stepWall(-HOUR);
    clock.advance(1_700);
    t.is(issuer.requests.length, 1);
    clock.advance(1_500);
    await until(() => issuer.requests.length === 2 && credential.state() === "ready");
    t.is(credential.info().refreshCount, 2);
  },
);

for (const [what, step] of Object.entries({
  "set back by a year": -YEAR,
  "set forward by a year": YEAR,
})) {
  test.serial(
    `a refresh token that runs out is renewed in time although nobody asks, the wall clock ${what}`,
    async (t) => {
      const { clock, issuer, hours } = await silentSession(t);
      clock.stepWall(step);
      const before = issuer.requests.length;
      await hours(72);
      const renewals = issuer.requests.length - before;
      t.true(renewals >= 3 && renewals <= 5, `${renewals} renewals`);
    },
  );
}

test.serial(
  "a restart with the wall clock set knows when a refresh token ends, and that nobody has asked since",
  async (t) => {
    const { engine, clock, issuer, settings } = await silentSession(t);
    clock.stepWall(-YEAR);
    const before = issuer.requests.length;
    const again = await engine.restart();
    const revived = again.registry.add(settings);
    again.registry.tick();
    for (let hour = 0; hour < 48; hour++) {
      again.clock.advance(HOUR);
      await until(() => revived.state() !== "refreshing");
    }
    const renewals = issuer.requests.length - before;
    t.true(renewals >= 2 && renewals <= 4, `${renewals} renewals`);
  },
);

/** A session of one day, with access tokens of an hour that nobody has asked for in half a day. */
async function silentSession(t: ExecutionContext) {
  let count = 0;
  const issuer = await startIssuer(t, () => ({
    json: {
      access_token: `token-${++count}`,
      refresh_token: `refresh-${count}`,
      token_type: "Bearer",
      expires_in: 3_600,
      refresh_expires_in: 86_400,
    },
  }));
  const engine = await startTestRegistry(t);
  const credential = await engine.add(
    "demo",
    { grant: "refresh_token", token_url: issuer.url, client_id: "app", client_auth: "none" },
    { refresh_token: "refresh-0" },
  );
  await credential.token({});
  const hours = async (number: number) => {
    for (let hour = 0; hour < number; hour++) {
      engine.clock.advance(HOUR);
      await until(() => credential.state() !== "refreshing");
    }
  };
  await hours(14);
  return { engine, clock: engine.clock, issuer, settings: credential.settings, hours };
}
