import test from "ava";
import { ApprovalService } from "../../src/approvals/service.ts";
import type { AuthdError } from "../../src/errors.ts";
import type { Identity, ProcessInfo } from "../../src/identity.ts";
import type { PendingApproval } from "../../src/protocol.ts";
import type { Call } from "../../src/server.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { identityOf, processInfo, question } from "../helpers/question.ts";

const terminal = processInfo({ pid: 100, executable: "/usr/bin/xterm" });
const manager = processInfo({ pid: 50, executable: "/usr/lib/systemd/systemd" });
/** Each on a terminal of its own. */
const shell = (pid: number): ProcessInfo => ({
  ...processInfo({ pid, startedAt: pid, executable: "/usr/bin/bash" }),
  session: pid,
  terminal: `pts/${pid}`,
});
const without = { terminal: undefined };
const tool = processInfo({ pid: 9, startedAt: 9, executable: "/usr/bin/tool" });

function setUp({
  passphrase,
  desktop = false,
  guests = false,
}: {
  passphrase?: string;
  desktop?: boolean;
  guests?: boolean;
} = {}) {
  const unseen: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const service = new ApprovalService({
    clock: new FakeClock(),
    identities: { of: (call) => (call as FakeCall).identity, content: async () => undefined },
    log,
    desktop: () => (desktop ? () => () => {} : undefined),
    writeRule: async () => {},
    guestsAnswer: () => guests,
    passphrase: () => (passphrase === undefined ? undefined : async (one) => one === passphrase),
    unseen: ({ id }: PendingApproval, text) => void unseen.push(`${id} ${text}`),
  });
  const ask = (identity: Identity) =>
    service.desk.ask(question({ identity }), new AbortController().signal).then(
      () => "yes",
      (error: AuthdError) => error.reason,
    );
  return { service, unseen, ask };
}

/** Its own connection, too. */
class FakeCall {
  readonly id = 1;
  readonly signal = new AbortController().signal;
  readonly peer = undefined;
  readonly closed = false;
  readonly told: [string, object][] = [];
  readonly identity: Identity;
  close: () => void = () => {};

  constructor(identity: Identity) {
    this.identity = identity;
  }

  get connection() {
    return this;
  }

  onClose(listener: () => void): void {
    this.close = listener;
  }

  room(): never {
    throw new Error("not needed");
  }

  async notify(name: string, params: object): Promise<void> {
    this.told.push([name, params]);
  }
}

const from = (...chain: readonly ProcessInfo[]) => new FakeCall(identityOf(...chain));
const asCall = (call: FakeCall) => call as unknown as Call;

/** Who answers what the shell 200 asks, and whether that counts. */
const CASES: readonly [string, FakeCall, RegExp | undefined][] = [
  ["a person in another terminal", from(shell(300), terminal, manager), undefined],
  ["who asks", from(shell(200), terminal, manager), /Who asks can't answer/],
  ["what it started", from(processInfo({ pid: 9 }), shell(200), terminal), /Who asks can't answer/],
  ["what it was started by", from(terminal, manager), /Who asks can't answer/],
  ["one that was orphaned", from(manager), /can't be told/],
  ["one whose parent was orphaned", from({ ...shell(300), ...without }, manager), /can't be told/],
  [
    "a shell in a terminal of the system's",
    from({ ...shell(300), terminal: "tty1" }, manager),
    undefined,
  ],
  ["a sibling", from({ ...shell(300), ...without }, terminal, manager), /Who asks can't answer/],
  [
    "a sibling on a terminal of its own, started in a terminal",
    from(shell(300), { ...terminal, pid: 150, terminal: "pts/2" }, manager),
    undefined,
  ],
  ["one in the same session", from({ ...shell(300), session: 200 }), /Who asks can't answer/],
  [
    "one on the same terminal",
    from({ ...shell(300), terminal: "pts/200" }, manager),
    /Who asks can't answer/,
  ],
  ["one that can't be known", from(), /can't be told/],
  [
    "the asker's number, used again",
    from(processInfo({ pid: 9 }), { ...shell(200), startedAt: 1, session: 1, terminal: "pts/1" }),
    undefined,
  ],
];

for (const [who, call, refusal] of CASES) {
  test(`an answer by ${who}`, async (t) => {
    const { service, ask } = setUp();
    const asked = ask(identityOf(shell(200), terminal, manager));
    const answer = service.answer({ id: 1, answer: "process" }, asCall(call));
    if (refusal) {
      const error = await t.throwsAsync<AuthdError>(answer, { message: refusal });
      t.is(error.reason, "caller_not_allowed");
      t.is(service.pending.length, 1);
      await service.answer({ id: 1, answer: "no" }, asCall(call));
    } else await answer;
    t.is(await asked, refusal ? "caller_not_allowed" : "yes", "anybody may say no");
  });
}

/** More of who asks and who answers, where neither has started the other. */
const PAIRS: readonly [string, Identity, Identity, boolean][] = [
  [
    "what one program in a terminal started, each on a terminal of its own",
    identityOf(shell(200), { ...tool, terminal: "pts/9" }, terminal),
    identityOf(shell(300), { ...tool, terminal: "pts/9" }, terminal),
    false,
  ],
  [
    "what a program without a terminal started, one of them on a terminal",
    identityOf({ ...shell(200), ...without }, tool, manager),
    identityOf(shell(300), tool, manager),
    false,
  ],
  [
    "one program, twice",
    identityOf({ ...tool, pid: 10 }, shell(200), terminal),
    identityOf({ ...tool, pid: 11 }, shell(300), terminal),
    false,
  ],
  [
    "one script, twice",
    identityOf({ ...shell(200), script: "/tmp/x.sh" }, terminal),
    identityOf({ ...shell(300), script: "/tmp/x.sh" }, terminal),
    false,
  ],
  [
    "one service",
    { ...identityOf({ ...shell(200), ...without }, manager), unit: "agent.service" },
    { ...identityOf(shell(300), manager), unit: "agent.service" },
    false,
  ],
  [
    "one login",
    { ...identityOf({ ...shell(200), ...without }, manager), unit: "session-2.scope" },
    { ...identityOf(shell(300), manager), unit: "session-2.scope" },
    true,
  ],
  [
    "a job of one window, and another window",
    identityOf({ ...tool, session: 9 }, shell(200), terminal),
    identityOf(shell(300), terminal),
    true,
  ],
];

for (const [what, asking, answering, counts] of PAIRS) {
  test(`${what}: an answer ${counts ? "counts" : "does not count"}`, async (t) => {
    const { service, ask } = setUp();
    const asked = ask(asking);
    const answer = service.answer({ id: 1, answer: "once" }, asCall(new FakeCall(answering)));
    if (counts) await answer;
    else await t.throwsAsync(answer, { message: /Who asks can't answer/ });
    service.close();
    t.is(await asked, counts ? "yes" : "shutting_down");
  });
}

test("an orphan's question can be answered, though all have its parent in common", async (t) => {
  const { service, ask } = setUp();
  const asked = ask(identityOf(manager));
  t.deepEqual(service.pending[0]?.choices, ["once"]);
  const person = from(shell(300), terminal, manager);
  await service.answer({ id: 1, answer: "once" }, asCall(person));
  t.is(await asked, "yes");
});

test("a vault with a passphrase: an answer has to come with it", async (t) => {
  const { service, ask } = setUp({ passphrase: "correct horse" });
  const asked = ask(identityOf(shell(200)));
  const call = asCall(from(shell(300)));
  await t.throwsAsync(service.answer({ id: 1, answer: "once" }, call), { message: /come with it/ });
  await t.throwsAsync(service.answer({ id: 1, answer: "once", passphrase: "x" }, call), {
    message: /not the vault's passphrase/,
  });
  await service.answer({ id: 1, answer: "once", passphrase: "correct horse" }, call);
  t.is(await asked, "yes");
});

test("who watches hears of each question once, of what is open at once, and of the end", async (t) => {
  const { service, ask } = setUp();
  void ask(identityOf(shell(200)));
  const call = from(shell(300));
  service.watch(asCall(call));
  service.watch(asCall(call));
  call.told.splice(1);
  void ask(identityOf(shell(201)));
  await service.answer({ id: 1, answer: "no" }, asCall(call));
  t.deepEqual(
    call.told.map(([name, params]) => [name, (params as { id: number }).id]),
    [
      ["approval/asked", 1],
      ["approval/asked", 2],
      ["approval/settled", 1],
    ],
  );
  service.unwatch(asCall(call));
  service.close();
  t.is(call.told.length, 3);
});

test("without a dialog somebody is told, of a crowd of questions once", (t) => {
  const { service, ask, unseen } = setUp();
  void ask(identityOf(shell(200)));
  void ask(identityOf(shell(201)));
  t.deepEqual(unseen, ["1 /usr/bin/bash (process 200) asks labelf for its token"]);
  service.close();
  const shown = setUp({ desktop: true });
  void shown.ask(identityOf(shell(200)));
  t.deepEqual(shown.unseen, []);
  shown.service.close();
  const sealed = setUp({ desktop: true, passphrase: "correct horse" });
  void sealed.ask(identityOf(shell(200)));
  t.is(sealed.unseen.length, 1, "a dialog asks for no passphrase, so there is none");
  sealed.service.close();
});
