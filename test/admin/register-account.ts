/** Accounts that are made first: none is left that nobody can enter, whatever the server answers and whenever authd ends. */
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import type { ParamsOf } from "../../src/protocol.ts";
import { adminOf, agreed } from "../helpers/admin.ts";
import {
  type Issuer,
  type RecordedRequest,
  type StubResponse,
  startIssuer,
} from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

/** A server that makes accounts and signs them in. */
interface Server {
  issuer: Issuer;
  accounts: Map<string, string>;
  /** Passwords that came with registrations, in their order. */
  asked: string[];
  /** How it answers a registration; `make` makes the account. */
  registers: (make: () => void) => StubResponse | undefined;
  /** How it answers a sign-in while it fails. */
  failing: StubResponse | undefined;
}

const TAKEN = { status: 409, json: { detail: "Username already exists" } };

async function startServer(t: ExecutionContext): Promise<Server> {
  const server: Omit<Server, "issuer"> = {
    accounts: new Map(),
    asked: [],
    registers(make) {
      make();
      return { json: {} };
    },
    failing: undefined,
  };
  const issuer = await startIssuer(t, (seen, response) => {
    if (seen.path === "/token") return server.failing ?? signIn(seen);
    const { username, password } = JSON.parse(seen.body);
    server.asked.push(password);
    if (server.accounts.has(username)) return TAKEN;
    const answer = server.registers(() => server.accounts.set(username, password));
    if (!answer) response.socket?.destroy();
    return answer;
  });
  const signIn = ({ form }: RecordedRequest): StubResponse =>
    server.accounts.get(form.get("username") ?? "") === form.get("password")
      ? { json: { access_token: `token-of-${form.get("username")}`, expires_in: 3600 } }
      : { status: 401, json: { detail: "Incorrect username or password" } };
  return Object.assign(server, { issuer });
}

function desk(engine: TestRegistry, server: Server) {
  const { admin } = adminOf(engine);
  const { signal } = new AbortController();
  const add = (more: Partial<ParamsOf<"credentials/add">> = {}, username = "me") =>
    admin.add(
      {
        name: "demo",
        preset: "zebbra",
        settings: { username, base_url: server.issuer.origin },
        secrets: {},
        register: true,
        ...more,
      },
      signal,
      agreed,
    );
  return {
    engine,
    admin,
    add,
    info: () => engine.registry.info("demo"),
    refresh: () => admin.refresh("demo", signal),
    token: async () => (await engine.registry.get("demo").token({})).accessToken,
    sealed: () => engine.vault.read("demo"),
    async again() {
      const next = desk(await engine.restart(), server);
      await next.admin.reload();
      return next;
    },
  };
}

async function setup(t: ExecutionContext) {
  const server = await startServer(t);
  return { server, ...desk(await startTestRegistry(t), server) };
}

async function failure(work: Promise<unknown>): Promise<AuthdError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof AuthdError) return error;
  throw error ?? new Error("did not fail");
}

const FAILURES: Record<string, StubResponse | undefined> = {
  "answers 500": { status: 500, body: "oops" },
  "answers 502": { status: 502, body: "oops" },
  "answers 408": { status: 408, body: "slow" },
  redirects: { status: 303, headers: { location: "/welcome" } },
  "breaks off": undefined,
};

for (const [how, answer] of Object.entries(FAILURES)) {
  test(`a server that makes the account and ${how}: the password is there, and the sign-in works`, async (t) => {
    const { server, add, info, sealed } = await setup(t);
    server.registers = (make) => {
      make();
      return answer;
    };
    t.is((await add()).state, "ready");
    t.is(sealed()?.secrets.password, server.accounts.get("me"));
    t.is(info().candidate, undefined);
  });

  test(`a server that makes no account and ${how}: what is known is told, and nothing is sent unasked`, async (t) => {
    const { server, add, info, again } = await setup(t);
    server.registers = () => answer;
    const refused = await failure(add());
    t.is(refused.reason, "login_required");
    t.regex(refused.message, /demo: .*authd refresh demo .*authd add demo --register --replace/);
    t.is(info().state, "login_required");
    t.is(info().lastError?.message, refused.message);
    const sent = server.issuer.requests.length;
    const next = await again();
    t.is(next.info().state, "login_required");
    t.is(next.info().lastError?.message, refused.message);
    t.is((await failure(next.token())).reason, "login_required");
    t.is(server.issuer.requests.length, sent);
    server.registers = (make) => {
      make();
      return { json: {} };
    };
    t.is((await next.add({ replace: true })).state, "ready");
    t.is(server.asked[0], server.asked[1], "the same password");
    t.is(await next.token(), "token-of-me");
  });
}

test("a name that is taken by the account of before is signed in to", async (t) => {
  const { server, add, info, sealed } = await setup(t);
  server.registers = (make) => {
    make();
    return { status: 500, body: "oops" };
  };
  server.failing = { status: 503, body: "down" };
  t.is((await failure(add())).reason, "login_required");
  t.is(info().state, "login_required");
  server.failing = undefined;
  t.is((await add({ replace: true })).state, "ready");
  t.is(server.asked.length, 2);
  t.is(sealed()?.secrets.password, server.accounts.get("me"));
  t.is(info().candidate, undefined);
});

test("refresh signs in to an account that was made, as the message says", async (t) => {
  const { server, add, refresh } = await setup(t);
  server.registers = (make) => {
    make();
    return undefined;
  };
  server.failing = { status: 503, body: "down" };
  const refused = await failure(add());
  t.regex(refused.message, /authd refresh demo tries to sign in/);
  server.failing = undefined;
  t.is((await refresh()).state, "ready");
});

test("killed at any moment of a registration, the password of the account is sealed", async (t) => {
  const { server, engine, add, again } = await setup(t);
  const release = engine.vault.hold();
  void add().catch(() => {});
  await until(() => engine.vault.waiting === 1);
  t.is(server.issuer.requests.length, 0, "nothing is sent before it is sealed");
  server.registers = (make) => {
    make();
    // No answer, and no end of the connection: authd dies while it waits.
    return { status: 200, headers: { "content-length": "9" }, body: "" };
  };
  release();
  await until(() => server.accounts.size === 1);
  const next = await again();
  t.is(next.sealed()?.secrets.password, server.accounts.get("me"));
  t.is(next.info().state, "login_required");
  t.regex(next.info().lastError?.message ?? "", /no answer came.*authd refresh demo/);
  t.is((await failure(next.token())).reason, "login_required");
  t.is((await next.refresh()).state, "ready");
});

test("a registration that is refused costs nothing of what was there, working or not", async (t) => {
  const { server, add, info, sealed, token } = await setup(t);
  await add();
  const password = sealed()?.secrets.password;
  server.registers = () => TAKEN;
  t.is((await failure(add({ replace: true }, "another"))).reason, "request_failed");
  t.is(sealed()?.secrets.password, password);
  t.is(info().candidate, undefined);
  t.is(await token(), "token-of-me");
  server.registers = () => ({ status: 500, body: "oops" });
  const perhaps = await failure(add({ replace: true }, "another"));
  t.is(perhaps.reason, "login_required");
  t.is(info().state, "ready");
  t.is(await token(), "token-of-me");
  t.is(sealed()?.candidate?.record.secrets.password, server.asked.at(-1));
  server.accounts.set("another", server.asked.at(-1) ?? "");
  t.is((await add({ replace: true }, "another")).state, "ready");
  t.is(server.asked.at(-1), server.asked.at(-2), "the same password once more");
  t.is(await token(), "token-of-another");
  t.is(info().candidate, undefined);
});

test("a registration to an address that can't be reached leaves nothing behind", async (t) => {
  const { engine, add } = await setup(t);
  const settings = { username: "me", base_url: "http://127.0.0.1:1" };
  await failure(add({ settings }));
  t.deepEqual(engine.vault.names(), []);
  t.false(engine.registry.hasAny("demo"));
});
