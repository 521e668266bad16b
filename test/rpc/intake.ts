import { once } from "node:events";
import * as net from "node:net";
import { join } from "node:path";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { CpuBudgets } from "../../src/rpc/cpu-budget.ts";
import { Intake } from "../../src/rpc/intake.ts";
import { temporaryFolder } from "../helpers/folder.ts";

interface Stage {
  client: net.Socket;
  budgets: CpuBudgets;
  /** Lengths of what was read, and other things that happened. */
  log: (number | string)[];
  intake: Intake;
}

/** A connection whose reading takes `msPerRead` on the budgets' clock, which does not move otherwise. */
async function setup(t: ExecutionContext, msPerRead: number): Promise<Stage> {
  const path = join(temporaryFolder(t), "s");
  const server = net.createServer({ allowHalfOpen: true }).listen(path);
  await once(server, "listening");
  const client = net.connect({ path, allowHalfOpen: true });
  const [socket] = (await once(server, "connection")) as [net.Socket];
  t.teardown(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  let nowMs = 0;
  const budgets = new CpuBudgets({ monotonic: () => nowMs, cpu: () => nowMs });
  const peer = (pid: number) => ({ uid: process.geteuid!(), pid, connectedAt: 0 });
  const log: Stage["log"] = [];
  // Somebody else is there, who could have to wait.
  budgets.of(peer(2)).measure(() => {});
  const intake = new Intake(socket, budgets.of(peer(1)), {
    read: (bytes) => {
      nowMs += msPerRead;
      log.push(bytes.length);
    },
    end: () => log.push("end"),
    resume: () => log.push("resumed"),
  });
  intake.listen();
  return { client, budgets, log, intake };
}

const bytesOf = (log: Stage["log"]) =>
  log.reduce<number>((sum, each) => sum + (typeof each === "number" ? each : 0), 0);

test("what takes long is read in small pieces, with a turn for others after each", async (t) => {
  const { client, log } = await setup(t, 0.07);
  client.end(Buffer.alloc(60_000));
  while (log.at(-1) !== "end") {
    const before = log.length;
    await turn();
    t.true(log.length - before <= 2);
  }
  t.is(bytesOf(log), 60_000);
  t.is(log[0], 4096);
  t.true(log.filter((each) => each === 256).length > 100);
});

test("what is cheap is read in large pieces, and the end comes after all of it", async (t) => {
  const { client, log } = await setup(t, 0);
  client.end(Buffer.alloc(2 ** 20));
  while (log.at(-1) !== "end") await turn();
  t.is(bytesOf(log), 2 ** 20);
  t.true(log.length < 60, `${log.length} pieces`);
});

test("over the budget nothing is read until it has come back; then what waited goes on", async (t) => {
  // Some of these are more than may be used at once; the clock of the budgets stands still after it.
  const { client, log, intake } = await setup(t, 3);
  client.write(Buffer.alloc(100_000));
  while (!intake.isPaused) await turn();
  const read = bytesOf(log);
  t.true(read < 20_000);
  await sleep(50);
  t.is(bytesOf(log), read);
  t.false(log.includes("resumed"));
  intake.stop();
  await sleep(50);
  t.is(bytesOf(log), read);
});

test("while responses wait nothing is read", async (t) => {
  const { client, log, intake } = await setup(t, 0);
  intake.block(true);
  client.end(Buffer.alloc(10_000));
  await sleep(50);
  t.deepEqual(log, []);
  intake.block(false);
  while (log.at(-1) !== "end") await turn();
  t.is(bytesOf(log), 10_000);
});
