import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { libc } from "../../src/base/libc.ts";
import { createNotifier } from "../../src/daemon/notify.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onLinux } from "../helpers/optional.ts";

/** A datagram socket as systemd's manager has one; returns a reader of its next message. */
function receiver(t: ExecutionContext, address: string): () => Promise<string> {
  const name = address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`;
  const bytes = Buffer.concat([Buffer.from([1, 0]), Buffer.from(name)]);
  const fd = libc("int socket(int, int, int)")!(1, 2 | 0o4000, 0);
  t.teardown(() => libc("int close(int)")!(fd));
  t.is(libc("int bind(int, const void *, uint32_t)")!(fd, bytes, bytes.length), 0);
  const recv = libc("long recv(int, void *, size_t, int)")!;
  const buffer = Buffer.alloc(4096);
  return async () => {
    for (;;) {
      const length = recv(fd, buffer, buffer.length, 0);
      if (length >= 0) return buffer.toString("utf8", 0, length);
      await sleep(5);
    }
  };
}

for (const [kind, address] of [
  ["a path", (t: ExecutionContext) => join(temporaryFolder(t), "notify")],
  ["an abstract name", () => `@authd-test/${process.pid}`],
] as const)
  onLinux(`every message arrives at ${kind}`, async (t) => {
    const NOTIFY_SOCKET = address(t);
    const next = receiver(t, NOTIFY_SOCKET);
    const notifier = createNotifier({ NOTIFY_SOCKET });
    t.true(notifier.ready());
    t.is(await next(), "READY=1");
    const before = process.hrtime.bigint() / 1000n;
    t.true(notifier.reloading());
    const [first, second] = (await next()).split("\n");
    t.is(first, "RELOADING=1");
    const at = BigInt(second!.replace(/^MONOTONIC_USEC=/, ""));
    t.true(at >= before && at <= process.hrtime.bigint() / 1000n);
    t.true(notifier.status("4 credentials\nREADY=1 ü"));
    t.is(await next(), "STATUS=4 credentials READY=1 ü");
    t.true(notifier.ping());
    t.is(await next(), "WATCHDOG=1");
    t.true(notifier.stopping());
    t.is(await next(), "STOPPING=1");
    t.true(notifier.extend(15_000));
    t.is(await next(), "EXTEND_TIMEOUT_USEC=15000000");
  });

test("without a service manager nothing happens", (t) => {
  const notifier = createNotifier({});
  t.false(notifier.ready());
  t.false(notifier.ping());
  t.is(notifier.watchdogMs, undefined);
});

test("a service manager that is gone, or an address of another kind, breaks nothing", (t) => {
  for (const NOTIFY_SOCKET of [
    join(temporaryFolder(t), "nobody"),
    `/${"x".repeat(200)}`,
    "vsock:2:1234",
    "@",
  ])
    t.false(createNotifier({ NOTIFY_SOCKET }).ready(), NOTIFY_SOCKET);
});

test("children don't inherit the service manager's variables", (t) => {
  const env = { NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "3000000", WATCHDOG_PID: "1", HOME: "/" };
  createNotifier(env);
  t.deepEqual(env as Record<string, string>, { HOME: "/" });
});

test("the watchdog wants a sign of life twice in its time, and only from us", (t) => {
  const of = (env: NodeJS.ProcessEnv) => createNotifier(env).watchdogMs;
  t.is(of({ WATCHDOG_USEC: "30000000" }), 15_000);
  t.is(of({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: String(process.pid) }), 15_000);
  t.is(of({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "1" }), undefined);
  t.is(of({ WATCHDOG_USEC: "0" }), undefined);
  t.is(of({ WATCHDOG_USEC: "soon" }), undefined);
});
