import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { type CpuBudget, CpuBudgets } from "../../src/rpc/cpu-budget.ts";
import { checkedGetToken } from "../../src/rpc/dispatcher.ts";
import { KnownRequests } from "../../src/rpc/known-requests.ts";
import { type Incoming, readMessage } from "../../src/rpc/message.ts";
import { until } from "../helpers/until.ts";
import { RawClient, startWire } from "../helpers/wire.ts";

function learned(text: string): KnownRequests {
  const requests = new KnownRequests(checkedGetToken);
  const body = Buffer.from(text);
  requests.learn(body, readMessage(body) as Incoming);
  return requests;
}

const GET = '{"jsonrpc":"2.0","id":1,"method":"getToken","params":{"credential":"a"}}';
const find = (requests: KnownRequests, text: string) => requests.find(Buffer.from(text));

test("a request that differs in nothing but its id is known", (t) => {
  const requests = learned(GET);
  for (const id of [0, 1, 27, 999_999_999_999_999]) {
    const found = find(requests, GET.replace('"id":1', `"id":${id}`));
    t.deepEqual(found, { id, known: { params: { credential: "a" } } });
  }
  const spaced = '{"jsonrpc": "2.0", "id": 1, "method": "getToken", "params": {"credential": "a"}}';
  t.is(find(requests, spaced), undefined);
  t.is(find(learned(spaced), spaced.replace("1,", "2,"))?.id, 2);
});

test("anything else that differs makes it another request", (t) => {
  const requests = learned(GET);
  for (const other of [
    GET.replace('"a"', '"b"'),
    GET.replace("getToken", "status"),
    `${GET} `,
    GET.replace('"id":1', '"id":01'),
    GET.replace('"id":1', '"id":1.0'),
    GET.replace('"id":1', '"id":-1'),
    GET.replace('"id":1', '"id":"1"'),
    GET.replace('"id":1', '"id":1 '),
    GET.replace('"id":1', '"id":9007199254740993'),
    GET.replace('"id":1', '"id":'),
    GET.slice(0, -1),
    `\ufeff${GET}`,
  ]) {
    t.is(find(requests, other), undefined, other);
  }
});

test("what could say another id, or a secret, is not kept", (t) => {
  for (const text of [
    GET.replace('"method"', '"id":1,"method"'),
    GET.replace('"method"', '"\\u0069d":1,"method"'),
    GET.replace('"a"', '"\\u0061"'),
    GET.replace('"a"', '"a","rejectedToken":"not-a-real-token"'),
    GET.replace('"a"', '"a","forceRefresh":true'),
    GET.replace('"a"', "1"),
    GET.replace("getToken", "credentials/show"),
    GET.replace('"a"', `"a","scope":"${"s".repeat(600)}"`),
  ]) {
    t.is(find(learned(text), text), undefined, text);
  }
});

test("requests that were known are kept in bounds", (t) => {
  const requests = new KnownRequests(checkedGetToken);
  const textOf = (n: number) => GET.replace('"a"', `"a${n}"`);
  for (let n = 0; n < 1_000; n++) {
    const body = Buffer.from(textOf(n));
    requests.learn(body, readMessage(body) as Incoming);
  }
  const kept = Array.from({ length: 1_000 }, (_, n) => find(requests, textOf(n)));
  t.true(kept.filter(Boolean).length <= 256);
  t.deepEqual(find(requests, textOf(999))?.known.params, { credential: "a999" });
});

test("a known request is answered like one that is read for the first time", async (t) => {
  const asked: unknown[] = [];
  const { path } = await startWire(t, {
    getToken: (given, { id }) => {
      asked.push([id, given]);
      if (given.credential === "b") throw new AuthdError("vault_locked", "The vault is locked.");
      return { accessToken: "å", tokenType: "Bearer", expiresAt: null, headers: {} };
    },
  });
  const answers: string[] = [];
  for (let connection = 0; connection < 2; connection++) {
    const client = await RawClient.open(t, path);
    for (const [id, credential] of ["a", "b", "a", "b"].entries()) {
      client.request(id, "getToken", { credential });
    }
    await client.take(4);
    answers.push(client.received);
    client.socket.destroy();
  }
  t.is(answers[1], answers[0]);
  t.deepEqual(asked.slice(4), asked.slice(0, 4));
  t.is(asked.length, 8);
});

test("messages keep their order around known requests", async (t) => {
  const order: string[] = [];
  const { path } = await startWire(t, {
    getToken: (_, { id }) => {
      order.push(`getToken ${id}`);
      return { accessToken: "x", tokenType: "Bearer", expiresAt: null, headers: {} };
    },
    status: (_, { id }) => {
      order.push(`status ${id}`);
      throw new AuthdError("timeout", "seen");
    },
  });
  const client = await RawClient.open(t, path);
  client.request(0, "getToken", { credential: "a" });
  await client.next();
  client.socket.cork();
  for (let id = 1; id < 7; id++) {
    if (id % 3 === 0) client.request(id, "status", {});
    else client.request(id, "getToken", { credential: "a" });
  }
  client.socket.uncork();
  await client.take(6);
  const expected = [0, 1, 2, 3, 4, 5, 6].map((id) =>
    id > 0 && id % 3 === 0 ? `status ${id}` : `getToken ${id}`,
  );
  t.deepEqual(order, expected);
});

/** Notes of each block of work in which there were any. */
class Notes extends CpuBudgets {
  readonly blocks: boolean[][] = [];
  #now: boolean[] = [];

  override measure<Result>(budget: CpuBudget, work: () => Result): Result {
    if (this.isMeasuring) return super.measure(budget, work);
    this.#now = [];
    try {
      return super.measure(budget, work);
    } finally {
      if (this.#now.length > 0) this.blocks.push(this.#now);
    }
  }

  override note(isKnown: boolean): void {
    this.#now.push(isKnown);
    super.note(isKnown);
  }
}

test("known requests that wait for the client to take answers are not paid as answered ones", async (t) => {
  const budgets = new Notes();
  const limits = { lowWaterBytes: 0, highWaterBytes: 10 };
  const { path } = await startWire(t, {}, { budgets, limits });
  const client = await RawClient.open(t, path);
  client.socket.write(`${GET}\n`);
  await client.next();
  client.socket.write(`${GET.replace('"id":1', '"id":2')}\n${GET.replace('"id":1', '"id":3')}\n`);
  await client.take(2);
  // The first answer is more than may wait: the second request takes another way.
  t.deepEqual(budgets.blocks[1], [true, false]);
});

test("a known request that waits is cancelled, also in the same write", async (t) => {
  let calls = 0;
  const { path } = await startWire(t, {
    getToken: (_, { signal }) => {
      calls += 1;
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
  });
  const client = await RawClient.open(t, path);
  const cancel = (id: number) =>
    client.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } });
  for (const id of [1, 2]) {
    client.request(id, "getToken", { credential: "a" });
    await t.notThrowsAsync(async () => {
      await until(() => calls >= id);
    });
    cancel(id);
    t.like(await client.next(), { id, error: { code: -32800 } });
  }
  client.socket.cork();
  client.request(3, "getToken", { credential: "a" });
  cancel(3);
  client.socket.uncork();
  t.like(await client.next(), { id: 3, error: { code: -32800 } });
  t.is(calls, 2, "the last one reached no handler");
});
