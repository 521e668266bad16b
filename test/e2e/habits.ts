/**
 * Runs test/habits/*.json, habits of issuers and APIs as data, against one real daemon. A row has:
 *
 * - `name`; `file`: the credential file, a table or a list of its lines; `secrets`.
 * - `issuer`, `api`, `other`: lists of `{ sent?, answer }`, one for each request that the server of that
 *   name gets, in their order. `sent`: `method`, `path`, `headers` (some of them; null: absent), `form` and
 *   `json` (whole), `body`. `answer`: `status`, `headers`, and `json` or `body`; or `raw`, all bytes of it.
 * - `named`: the same by public host names, such as `{ "login.example.com": [ … ] }`, over https. A name
 *   belongs to one row.
 * - `calls`: lists of `{ call, with?, gives?, fails? }` after the credential was added (`add` says what
 *   that gives or how it fails); `gives` is a part of the result, `fails` a `reason` and parts it `says`.
 * - `shows`: a part of `credentials/show` afterwards; `problem`: parts of its problem in `status`, and
 *   without it there is none.
 * - `refused`: parts of the mistake that is found in the file; then nothing is sent anywhere.
 *
 * `{issuer}`, `{api}` and `{other}` are the servers' origins, `{now+3600 iso}` is a time (test/helpers/habit.ts
 * has its spellings); `{ "$in": 3600 }`, `$at`, `$matches` and `$says` stand for what is not known before
 * (test/helpers/like.ts). More requests than listed are a failure, unless `shows.state` is "failing".
 */
import test, { type ExecutionContext } from "ava";
import { AuthdError, type Client, connect } from "../../src/client.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import {
  type Failure,
  fileTable,
  fileText,
  filledIn,
  type Habit,
  readHabits,
} from "../helpers/habit.ts";
import { type HabitServer, habitServer, startHabitServer } from "../helpers/habit-server.ts";
import { differences, missingParts } from "../helpers/like.ts";
import { startNamedHosts } from "../helpers/named-hosts.ts";
import { FileScope } from "../helpers/scope.ts";

/** Where the file of a row that is refused leads to: nobody is asked. */
const NOWHERE = {
  issuer: "https://issuer.example",
  api: "https://api.example",
  other: "https://other.example",
};
/** Rows at a time: a loaded machine answers each of them in time. */
const AT_ONCE = 8;

const habits = readHabits();
const scope = new FileScope();
/** By public name: all rows share one daemon, and so its proxy. */
const named = new Map<string, HabitServer>();
let daemon: Daemon;
let client: Client;

test.before(async () => {
  const refused = habits.filter((habit) => habit.refused);
  const config = refused.map((habit) => [
    `credentials/${nameOf(habit)}.toml`,
    filledIn(fileText(habit), NOWHERE),
  ]);
  for (const habit of habits) {
    for (const [host, exchanges] of Object.entries(habit.named)) {
      if (named.has(host)) throw new Error(`"${habit.name}": another row has ${host}`);
      named.set(host, habitServer(host, exchanges));
    }
  }
  const handlers = [...named].map(([host, { handler }]) => [host, handler]);
  const { proxy, ca } = await startNamedHosts(scope, Object.fromEntries(handlers));
  daemon = await startDaemon(scope, {
    config: {
      "config.toml": `proxy = "${proxy}"\nca_file = "ca.pem"\n`,
      "ca.pem": ca,
      ...Object.fromEntries(config),
    },
  });
  client = connect({ socket: daemon.socket });
  scope.teardown(() => client.close());
});

test.after.always("no secret of any row is in the daemon's log", async (t) => {
  const { stderr, stdout } = await daemon.stop();
  await scope.end();
  for (const habit of habits) t.deepEqual(secretsIn(habit, stderr + stdout), [], habit.name);
});

test("names of rows are names of credentials, each of them once", (t) => {
  t.true(habits.length > 10);
  t.is(new Set(habits.map(nameOf)).size, habits.length);
});

for (const [index, habit] of habits.entries()) {
  test(habit.name, (t) => inTurn(index, () => (habit.refused ? refuse : run)(t, habit)));
}

const turns: Promise<void>[] = [];

/** Runs `work` once the row that is AT_ONCE before this one has ended. */
function inTurn(index: number, work: () => Promise<void>): Promise<void> {
  const place = index % AT_ONCE;
  const done = (turns[place] ?? Promise.resolve()).then(work);
  turns[place] = done.catch(() => {});
  return done;
}

/** Runs a row whose file has a mistake. */
async function refuse(t: ExecutionContext, habit: Habit): Promise<void> {
  const reason = "credential_damaged";
  const says = habit.refused ?? [];
  await fails(t, habit, call(habit, "getToken"), { reason, says });
  const table = fileTable(habit);
  if (table === undefined) return;
  // A file that is made of settings has lines of its own.
  const parts = says.filter((part) => !/^line \d/.test(part));
  const name = `${nameOf(habit).slice(0, 60)}-new`;
  const added = add(name, filledIn(table, NOWHERE), habit.secrets);
  await fails(t, habit, added, { reason: "invalid_params", says: parts });
}

/** Runs a row that asks an issuer or an API. */
async function run(t: ExecutionContext, habit: Habit): Promise<void> {
  const since = Date.now();
  const origins: Record<string, string> = {};
  const servers = [
    await startHabitServer(t, "issuer", habit.issuer, origins),
    await startHabitServer(t, "api", habit.api, origins),
    await startHabitServer(t, "other", habit.other, origins),
    ...Object.keys(habit.named).flatMap((host) => named.get(host) ?? []),
  ];
  const complaints = () =>
    servers.flatMap((server) => server.complaints(habit.shows.state === "failing"));
  try {
    await takeSteps(t, habit, { origins, since });
  } catch (error) {
    // What was sent otherwise is most often why something else came out.
    t.log(...complaints());
    throw error;
  }
  t.deepEqual(complaints(), []);
}

interface Run {
  origins: Record<string, string>;
  /** When the row began, ms since the epoch. */
  since: number;
}

/** Adds a row's credential, makes its calls, and looks at what became of it. */
async function takeSteps(
  t: ExecutionContext,
  habit: Habit,
  { origins, since }: Run,
): Promise<void> {
  const table = filledIn(fileTable(habit) ?? {}, origins);
  const added = add(nameOf(habit), table, habit.secrets);
  await outcome(t, habit, added, { ...filledIn(habit.add, origins), since, at: "add" });
  for (const [index, { call: method, with: params, ...expected }] of habit.calls.entries()) {
    const made = call(habit, method, filledIn(params, origins));
    const at = `calls[${index}] ${method}`;
    await outcome(t, habit, made, { ...filledIn(expected, origins), since, at });
  }
  const shown = await call(habit, "credentials/show");
  const shows = { state: "ready", ...filledIn(habit.shows, origins) };
  t.deepEqual(differences(shown, shows, "some", since, "shows"), []);
  t.deepEqual(secretsIn(habit, JSON.stringify(shown)), [], "shows");
  await hasProblem(t, habit);
}

interface Expected {
  gives?: Record<string, unknown> | undefined;
  fails?: Failure | undefined;
  since: number;
  at: string;
}

async function outcome(
  t: ExecutionContext,
  habit: Habit,
  made: Promise<unknown>,
  expected: Expected,
): Promise<void> {
  if (expected.fails) return await fails(t, habit, made, expected.fails, expected.at);
  const got = await made;
  t.deepEqual(differences(got, expected.gives ?? {}, "some", expected.since, expected.at), []);
}

async function fails(
  t: ExecutionContext,
  habit: Habit,
  made: Promise<unknown>,
  { reason, says }: Failure,
  at = "",
): Promise<void> {
  const error = await made.then(
    (got) => new Error(`${at} does not fail, but gives ${JSON.stringify(got)}`),
    (failure: unknown) => failure,
  );
  if (!(error instanceof AuthdError)) throw error;
  const { message } = error;
  t.deepEqual([error.reason, missingParts(message, says)], [reason, []], `${at} says ${message}`);
  t.deepEqual(secretsIn(habit, message), [], at);
}

/** Checks what `status` says of a row's credential. */
async function hasProblem(t: ExecutionContext, habit: Habit): Promise<void> {
  const { problems } = await client.request("status", {});
  const told = problems.filter(({ credential }) => credential === nameOf(habit));
  const text = told.map(({ message, help }) => `${message} ${help}`).join("\n");
  if (habit.problem === undefined) t.is(text, "", "problem");
  t.deepEqual(missingParts(text, habit.problem ?? []), [], `problem: ${text}`);
  t.deepEqual(secretsIn(habit, text), [], "problem");
}

function add(
  name: string,
  { preset, grant, ...settings }: Record<string, unknown>,
  secrets: Record<string, string>,
): Promise<unknown> {
  const kind = { ...(preset !== undefined && { preset }), ...(grant !== undefined && { grant }) };
  return client.request("credentials/add", { name, ...kind, settings, secrets } as never);
}

function call(habit: Habit, method: string, params: object = {}): Promise<unknown> {
  return client.request(method as "getToken", { credential: nameOf(habit), ...params });
}

/** Returns the name of a row's credential. */
function nameOf({ name }: Habit): string {
  const words = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return words.replaceAll(/^-|-$/g, "").slice(0, 64);
}

/** Returns the names of a row's secrets that stand in `text`. */
function secretsIn({ secrets }: Habit, text: string): string[] {
  return Object.keys(secrets).filter((name) => text.includes(secrets[name]!));
}
