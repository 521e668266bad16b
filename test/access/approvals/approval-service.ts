import test from "ava";
import { ApprovalService } from "../../../src/access/approvals/approval-service.ts";
import type { Identity, ProcessInfo } from "../../../src/access/identity/identity.ts";
import type { AuthdError } from "../../../src/errors.ts";
import type { PendingApproval } from "../../../src/protocol.ts";
import type { Call } from "../../../src/rpc/call.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";
import { identityOf, processInfo, question } from "../../helpers/question.ts";

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
  let lastId = 0;
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const service = new ApprovalService({
    clock: new FakeClock(),
    identities: {
      of: (call) => (call as FakeCall).identity,
      programOf: () => ({}),
      content: async () => undefined,
    },
    log,
    nextId: () => ++lastId,
    desktop: () => (desktop ? () => () => {} : undefined),
    writeRule: async () => {},
    guestsAnswer: () => guests,
    passphrase: () => (passphrase === undefined ? undefined : async (one) => one === passphrase),
    onNoPrompt: ({ id }: PendingApproval, text) => void unseen.push(`${id} ${text}`),
  });
  const ask = (identity: Identity) =>
    service.queue.ask(question({ identity }), new AbortController().signal).then(
      () => "yes",
      (error: AuthdError) => error.reason,
    );
  return { service, unseen, ask };
}

/** Its own connection, too. */
class FakeCall {
  readonly id = 1;
  readonly signal = new AbortController().signal;
  readonly peer: Identity["peer"];
  readonly closed = false;
  readonly told: [string, object][] = [];
  readonly identity: Identity;
  close: () => void = () => {};

  constructor(identity: Identity) {
    this.identity = identity;
    this.peer = identity.peer;
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
  ["one whose parent can't be known", from({ ...shell(300), ...without }), /can't be told/],
  [
    "what an orphan started",
    from({ ...shell(301), ...without }, { ...shell(300), ...without }, manager),
    /can't be told/,
  ],
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
      t.is(service.queue.pending().length, 1);
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
  t.deepEqual(service.queue.pending()[0]?.choices, ["once"]);
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

const [ALICE, BOB] = [64_011, 64_012];
/** Of a guest's process its daemon does not learn the executable. */
const guest = (uid: number, pid: number, more: Partial<Identity> = {}): Identity => ({
  ...identityOf({ ...shell(pid), uid, executable: undefined, name: "bash" }, manager),
  peer: { uid, pid, connectedAt: 0 },
  unit: `user@${uid}.service`,
  ...more,
});
const terminalUnit = { userUnit: "terminal.service" };
const windowUnit = { userUnit: "window.service" };
/** Started by the service manager, without a terminal. */
const inBackground = (uid: number, pid: number, userUnit: string): FakeCall => {
  const identity = guest(uid, pid, { userUnit });
  const actor = { ...identity.chain[0]!, ...without };
  return new FakeCall({ ...identity, actor, chain: [actor, manager] });
};
const approver = (uid: number) => inBackground(uid, 400, "authd-approve.service");

test("a guest sees and answers what programs of that same user ask, and nothing else", async (t) => {
  const { service, ask } = setUp({ guests: true });
  const [alices, bobs] = [guest(ALICE, 200, terminalUnit), guest(BOB, 201, terminalUnit)];
  const asked = [ask(alices), ask(bobs), ask(identityOf(shell(202)))];
  const answerer = new FakeCall(guest(ALICE, 300, windowUnit));
  service.watch(asCall(answerer));
  t.deepEqual(
    service.pendingFor(asCall(answerer)).map(({ id }) => id),
    [1],
  );
  for (const id of [2, 3]) {
    for (const answer of ["once", "no"] as const)
      await t.throwsAsync(service.answer({ id, answer }, asCall(answerer)), {
        message: /There is no open question/,
      });
  }
  await service.answer({ id: 1, answer: "once" }, asCall(answerer));
  t.is(await asked[0], "yes");
  await service.answer({ id: 2, answer: "no" }, asCall(from(shell(300))));
  t.deepEqual(
    answerer.told.map(([name, params]) => [name, (params as { id: number }).id]),
    [
      ["approval/asked", 1],
      ["approval/settled", 1],
    ],
  );
  service.close();
  t.deepEqual(await Promise.all(asked), ["yes", "caller_not_allowed", "shutting_down"]);
});

test("dialogs in a guest's session answer without a terminal, by the unit that they run in", async (t) => {
  const { service, ask } = setUp({ guests: true });
  const asked = ask(guest(ALICE, 200, terminalUnit));
  const other = inBackground(ALICE, 300, "window.service");
  await t.throwsAsync(service.answer({ id: 1, answer: "once" }, asCall(other)), {
    message: /can't be told/,
  });
  await service.answer({ id: 1, answer: "process" }, asCall(approver(ALICE)));
  t.is(await asked, "yes");
  const own = ask(guest(ALICE, 401, { userUnit: "authd-approve.service" }));
  await t.throwsAsync(service.answer({ id: 2, answer: "once" }, asCall(approver(ALICE))), {
    message: /Who asks can't answer/,
  });
  service.close();
  t.is(await own, "shutting_down");
});

test("a guest answers nothing where that is off, or the vault has a passphrase", async (t) => {
  const off = setUp();
  t.false(off.service.isOpenTo(asCall(approver(ALICE))));
  void off.ask(guest(ALICE, 200, terminalUnit));
  const watcher = approver(ALICE);
  off.service.watch(asCall(watcher));
  off.service.close();
  t.deepEqual(
    watcher.told.filter(([name]) => name === "approval/settled"),
    [],
  );
  const sealed = setUp({ guests: true, passphrase: "correct horse" });
  void sealed.ask(guest(ALICE, 200, terminalUnit));
  const answer = { id: 1, answer: "once", passphrase: "correct horse" } as const;
  await t.throwsAsync(sealed.service.answer(answer, asCall(approver(ALICE))), {
    message: /only root and the daemon's user can answer/,
  });
  sealed.service.close();
});
