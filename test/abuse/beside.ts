/** What a client notices of another one that sends whatever costs the most, in small; bench/load.ts measures it. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { startDaemon } from "../helpers/daemon.ts";
import { RawClient } from "../helpers/wire.ts";

const NUISANCE = fileURLToPath(new URL("../../bench/load/nuisance.js", import.meta.url));
const ROUNDS = 3;
const ROUND_MS = 400;
/** What a client may cost at once is used up after this. */
const SETTLE_MS = 800;
/** Of the calls without the nuisance. With the reading of frames unbounded it was under a hundredth. */
const LEAST_SHARE = 0.05;

async function startNuisance(t: ExecutionContext, kind: string, socket: string) {
  const env = { PATH: process.env.PATH };
  const child = fork(NUISANCE, [kind, socket, "http://127.0.0.1:1", "1"], { env });
  t.teardown(() => end(child));
  await once(child, "message");
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** How many calls, one after the other, are answered in one round. */
async function calls(t: ExecutionContext, client: RawClient): Promise<number> {
  const until = performance.now() + ROUND_MS;
  let answered = 0;
  for (; performance.now() < until; answered++) {
    client.request(answered, "getToken", { credential: "fixed" });
    t.is((await client.next())?.result?.accessToken, "practice");
  }
  return answered;
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);

for (const kind of ["empty-arrays", "nested", "header-names", "one-string", "invalid", "batches"]) {
  test.serial(`beside ${kind}, again and again, cached tokens are still handed out`, async (t) => {
    const daemon = await startDaemon(t);
    const client = await RawClient.open(t, daemon.socket);
    const given = { name: "fixed", grant: "static", settings: {}, secrets: { token: "practice" } };
    client.request("add", "credentials/add", given);
    t.is((await client.next())?.error, undefined);
    await calls(t, client);
    const [quiet, beside]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      quiet.push(await calls(t, client));
      const nuisance = await startNuisance(t, kind, daemon.socket);
      await sleep(SETTLE_MS);
      beside.push(await calls(t, client));
      await end(nuisance);
    }
    // Together, as on a busy machine single rounds differ a lot.
    t.true(sum(beside) > LEAST_SHARE * sum(quiet), `${quiet} without it, ${beside} beside it`);
  });
}

test("a long list is made in slices, in order, and shared by who asks meanwhile", async (t) => {
  const names = Array.from({ length: 400 }, (_, i) => `c${String(i).padStart(3, "0")}`);
  const config = Object.fromEntries(
    names.map((name) => [`credentials/${name}.toml`, 'grant = "static"\n']),
  );
  const daemon = await startDaemon(t, { config });
  const client = await RawClient.open(t, daemon.socket);
  for (let id = 0; id < 5; id++) client.request(id, "credentials/list");
  client.request("status", "status");
  const first = await client.next();
  t.is(first?.id, "status", "what is quick does not wait for it");
  for (let id = 0; id < 5; id++) {
    const answer = await client.next();
    const list = answer?.result?.credentials as { name: string }[];
    t.is(answer?.id, id);
    t.deepEqual(
      list.map(({ name }) => name),
      names,
    );
  }
});
