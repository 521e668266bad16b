import test from "ava";
import {
  Access,
  type CallContext,
  type PolicyTarget,
  type Question,
} from "../../src/access/access.ts";
import type { Identities, Identity } from "../../src/access/identity/identity.ts";
import type { Use } from "../../src/access/policy.ts";
import { RateLimiter } from "../../src/base/rate-limiter.ts";
import type { Policy } from "../../src/config/policy.ts";
import { AuthdError } from "../../src/errors.ts";
import type { Peer } from "../../src/rpc/peer.ts";
import { FakeClock } from "../helpers/fake-clock.ts";

const own = process.geteuid!();
const token = (): Use => ({ kind: "token", scope: "", audience: "" });
const wish = () => ({ what: "its token" });
const get = (): Use => ({ kind: "request", scope: "", audience: "", method: "GET", path: "/v2/a" });

function setUp(program = "/usr/bin/backup") {
  const clock = new FakeClock();
  const asked: Question[] = [];
  const looks = { identity: 0, content: 0 };
  const world = { isInterpreter: false, answer: true, how: "lasting" as "once" | "lasting" };
  const identities: Identities = {
    of(_connection, peer): Identity {
      looks.identity++;
      const actor = {
        pid: 4711,
        startedAt: 0,
        uid: peer?.uid,
        name: "x",
        executable: program,
        script: undefined,
        terminal: undefined,
      };
      const shown = `${program} (process 4711)`;
      const rest = {
        gids: [50],
        unit: null,
        container: null,
        unknownReason: undefined,
        displayName: shown,
      };
      return { peer, chain: [actor], actor, ...rest };
    },
    programOf: () => ({ program }),
    async content() {
      looks.content++;
      return { sha256: "ab".repeat(32), isInterpreter: world.isInterpreter };
    },
  };
  const approvals = {
    async ask(question: Question) {
      asked.push(question);
      if (!world.answer) throw new AuthdError("caller_not_allowed", "no");
      return world.how;
    },
  };
  const rates = new RateLimiter(clock);
  const access = new Access({ identities, approvals, rates, now: () => clock.wall() });
  return { access, asked, looks, world, clock };
}

function asker(uid = own): CallContext {
  const peer: Peer = { uid, gid: uid, pid: 4711, connectedAt: 0 };
  const connection = { closed: false, onClose() {}, leave() {} };
  return { peer, connection, signal: new AbortController().signal };
}

const target = (policy: Partial<Policy>): PolicyTarget => ({
  name: "labelf",
  settings: { policy: { expose: "token", allow: [], deny: [], ...policy } },
});
const free: PolicyTarget = { name: "labelf", settings: {} };

test("where nothing is limited, nothing is looked at and nothing is waited for", (t) => {
  const { access, looks, asked } = setUp();
  const decision = access.authorizeUse(free, token, wish, asker());
  t.false(decision instanceof Promise);
  t.deepEqual([looks, asked], [{ identity: 0, content: 0 }, []]);
});

test("a program's file is read only if a rule, or a question, is about programs", async (t) => {
  const { access, looks } = setUp();
  const allowed = async (policy: Partial<Policy>) =>
    await access.authorizeUse(target(policy), token, wish, asker());
  await allowed({ allow: [{ name: "a", who: { uid: own } }] });
  t.is(looks.content, 0);
  await allowed({ allow: [{ name: "a", who: { sha256: "ab".repeat(32) } }] });
  await allowed({ allow: [{ name: "a", who: { executable: "/usr/bin/backup" } }] });
  await allowed({ confirm: "first" });
  t.is(looks.content, 3);
});

test("a refusal carries its reason, its credential and its rule", async (t) => {
  const { access } = setUp();
  const refused = access.authorizeUse(
    target({ deny: [{ name: "never", who: {} }] }),
    token,
    wish,
    asker(),
  );
  const error = await t.throwsAsync<AuthdError>(async () => await refused);
  t.like(error, { reason: "caller_not_allowed", credential: "labelf" });
  t.regex(error.message, /\/usr\/bin\/backup \(process 4711\) is refused by the rule never\.$/);
});

test("another user needs a rule that names it", async (t) => {
  const { access } = setUp();
  const other = asker(own + 1);
  const use = async (credential: PolicyTarget) =>
    (await access.authorizeUse(credential, token, wish, other)).rule;
  await t.throwsAsync(use(free), { message: /another user's/ });
  await t.throwsAsync(use(target({ allow: [{ name: "all", who: {} }] })));
  t.is(await use(target({ allow: [{ name: "them", who: { uid: own + 1 } }] })), "them");
});

test("a rule's rate answers too_busy with the time to wait", async (t) => {
  const { access, clock } = setUp();
  const rule = { name: "a", who: {}, rate: { count: 1, perMs: 1_000 } };
  const use = async () =>
    await access.authorizeUse(target({ allow: [rule] }), token, wish, asker());
  await use();
  const error = await t.throwsAsync<AuthdError>(use);
  t.like(error, { reason: "too_busy", retryAfterMs: 1_000 });
  await clock.advance(1_000);
  await t.notThrowsAsync(use);
});

test("a person is asked what the rule wants asked, and a no is a no", async (t) => {
  const { access, asked, world } = setUp();
  const credential = target({ confirm: "first" });
  await access.authorizeUse(credential, get, wish, asker());
  t.like(asked, [
    { credential: "labelf", kind: "request", rule: "default", confirm: "first" },
  ] as never);
  t.is(asked[0]?.what, "its token");
  world.answer = false;
  await t.throwsAsync(async () => await access.authorizeUse(credential, token, wish, asker()));
});

test("nobody is asked about what is refused anyway", async (t) => {
  const { access, asked } = setUp();
  const credential = target({ expose: "request", confirm: "always" });
  await t.throwsAsync(async () => await access.authorizeUse(credential, token, wish, asker()), {
    message: /does not leave authd/,
  });
  t.is(asked.length, 0);
});

test("a redirect is followed where the rule reaches only", async (t) => {
  const { access } = setUp();
  const rule = {
    name: "a",
    who: {},
    expose: "request",
    methods: ["GET"],
    paths: ["/v2/*"],
  } as const;
  const decision = await access.authorizeUse(target({ allow: [rule] }), get, wish, asker());
  t.true(decision.reaches("GET", "/v2/b"));
  t.false(decision.reaches("GET", "/admin"));
  t.false(decision.reaches("POST", "/v2/b"));
});

test("an interpreter is none under another name either", async (t) => {
  const { access, world } = setUp("/tmp/backup");
  world.isInterpreter = true;
  for (const who of [{ executable: "/tmp/backup" }, { sha256: "ab".repeat(32) }]) {
    const credential = target({ allow: [{ name: "a", who }] });
    await t.throwsAsync(async () => await access.authorizeUse(credential, token, wish, asker()), {
      message: /runs whatever it is told to/,
    });
  }
});

test("a yes to one request is none to where the API sends it on", async (t) => {
  const { access, world } = setUp();
  const rule = { name: "a", who: {}, expose: "request", confirm: "first" } as const;
  const use = async () => await access.authorizeUse(target({ allow: [rule] }), get, wish, asker());
  t.true((await use()).reaches("GET", "/v2/b"));
  world.how = "once";
  t.false((await use()).reaches("GET", "/v2/b"));
});

test("an interpreter is no identity", async (t) => {
  const { access } = setUp("/usr/bin/python3.12");
  const credential = target({
    allow: [{ name: "a", who: { executable: "/usr/bin/python3.12" } }],
  });
  await t.throwsAsync(async () => await access.authorizeUse(credential, token, wish, asker()), {
    message: /runs whatever it is told to/,
  });
});

test("changes: the own user's, unless the credential is guarded against its programs", async (t) => {
  const { access, asked, world } = setUp();
  t.notThrows(() => access.assertDaemonUser("credentials/set", asker()));
  const refused = { message: /not credentials\/set/ };
  t.throws(() => access.assertDaemonUser("credentials/set", asker(own + 1)), refused);
  await t.throwsAsync(access.authorizeChange("credentials/set", "labelf", asker(own + 1)), refused);
  t.is(asked.length, 0);
  world.answer = false;
  await t.throwsAsync(access.authorizeChange("credentials/set", "labelf", asker()));
  t.like(asked[0], { kind: "change", confirm: "always", credential: "labelf" });
});

test("who may use a credential in some way may see it", (t) => {
  const { access } = setUp();
  const one = { name: "a", who: { uid: own + 1 }, expose: "request", paths: ["/x"] } as const;
  t.true(access.mayUse(free, asker()));
  t.false(access.mayUse(free, asker(own + 1)));
  t.true(access.mayUse(target({ allow: [one] }), asker(own + 1)));
  t.false(access.mayUse(target({ allow: [one] }), asker(own + 2)));
});

test("a redirect does not lead past what another rule wants confirmed or counted", async (t) => {
  const { access, asked } = setUp();
  const inside = (name: string, paths: string[]) =>
    ({ name, who: {}, expose: "request", paths }) as const;
  const credential = target({
    allow: [
      inside("free", ["/v2/*"]),
      { ...inside("careful", ["/pay/*"]), confirm: "always" },
      { ...inside("slow", ["/slow/*"]), rate: { count: 1, perMs: 1_000 } },
      inside("other", ["/other/*"]),
    ],
  });
  const decision = await access.authorizeUse(credential, get, wish, asker());
  t.true(decision.reaches("GET", "/v2/b"));
  t.true(decision.reaches("GET", "/other/b"));
  t.false(decision.reaches("GET", "/pay/b"));
  t.false(decision.reaches("GET", "/slow/b"));
  t.is(asked.length, 0);
});

test("other users learn of no name that they can't use", async (t) => {
  const { access } = setUp();
  const other = asker(own + 1);
  const unknown = t.throws<AuthdError>(() => access.assertMayLearnName("labelf", other));
  const use = async () => await access.authorizeUse(free, token, wish, other);
  const known = await t.throwsAsync<AuthdError>(use);
  t.deepEqual([unknown.reason, unknown.message], [known.reason, known.message]);
  t.notThrows(() => access.assertMayLearnName("labelf", asker()));
});
