/** Lists that are answered from memory that is used again. */
import test, { type ExecutionContext } from "ava";
import { createAccess } from "../../src/access/create-access.ts";
import { JsonPieces, SparePieces } from "../../src/daemon/json-pieces.ts";
import { Listing } from "../../src/daemon/listing.ts";
import { adminOf } from "../helpers/admin.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";
import { type Answer, RawClient, startWire } from "../helpers/wire.ts";

/** More than the system takes at once. */
const COUNT = 6_000;

async function setup(t: ExecutionContext) {
  const engine = await startTestRegistry(t);
  const { registry, log, clock } = engine;
  const { admin, env } = adminOf(engine);
  const { access } = createAccess({
    ...{ env, clock, log, admin },
    guestsAnswer: () => false,
    passphrase: () => undefined,
    onNoPrompt: () => {},
  });
  const listing = new Listing(registry, access);
  const wire = await startWire(t, { "credentials/list": (_, call) => listing.list(call) });
  const file = { grant: "client_credentials", token_url: "https://issuer.example/token" };
  /** Has so many credentials, all of them with this word in their names. */
  const fill = (word: string) => {
    for (const name of registry.sortedNames()) registry.delete(name);
    for (let i = 0; i < COUNT; i++) {
      registry.add(engine.settings(`${word}-${i}`, { ...file, client_id: "app" }));
    }
  };
  return { fill, path: wire.path };
}

function namesIn(answer: Answer | undefined): string[] {
  const { credentials = [] } = (answer?.result ?? {}) as { credentials?: { name: string }[] };
  return credentials.map(({ name }) => name);
}

test("an answer that a client has not taken stays as it was, whatever lists are made after it", async (t) => {
  const { fill, path } = await setup(t);
  fill("old");
  const slow = await RawClient.open(t, path);
  const gone = await RawClient.open(t, path);
  slow.socket.pause();
  gone.socket.pause();
  slow.request(1, "credentials/list");
  gone.request(1, "credentials/list");
  const quick = await RawClient.open(t, path);
  const list = async (word: string) => {
    quick.request(2, "credentials/list");
    const names = namesIn(await quick.next());
    t.is(names.length, COUNT);
    t.true(names.every((name) => name.startsWith(word)));
  };
  await list("old");
  fill("new");
  await list("new");
  gone.socket.destroy();
  fill("last");
  for (let i = 0; i < 3; i++) await list("last");
  slow.socket.resume();
  const names = namesIn(await slow.next());
  t.is(names.length, COUNT);
  t.true(names.every((name) => name.startsWith("old")));
});

test("buffers that nobody reads any more are written again, and no others", (t) => {
  const spare = new SparePieces();
  const made = (text: string) => {
    const json = new JsonPieces(spare);
    for (const letter of text) json.add(letter.repeat(10_000));
    return { json, text: () => Buffer.concat(json.pieces).toString() };
  };
  const memory = ({ json }: { json: JsonPieces }) =>
    new Set(json.pieces.map(({ buffer }) => buffer));
  const [first, second] = [made("a".repeat(12)), made("b".repeat(12))];
  const before = memory(first);
  for (const buffer of memory(second)) t.false(before.has(buffer));
  first.json.release();
  const third = made("c".repeat(12));
  t.true(before.size > 1);
  t.is(memory(third).size, before.size);
  for (const buffer of memory(third)) t.true(before.has(buffer));
  t.true(second.text() === "b".repeat(120_000));
  t.true(third.text() === "c".repeat(120_000));
  // Longer than a piece: it has memory of its own, once.
  const long = new JsonPieces(spare);
  long.add("€".repeat(70_000));
  t.true(Buffer.concat(long.pieces).toString() === "€".repeat(70_000));
  long.release();
  t.not(made("d").json.pieces[0]?.buffer, long.pieces[0]?.buffer);
});

test("after a burst, what nobody has needed for a time is not kept", async (t) => {
  const spare = new SparePieces(20);
  spare.giveBack(Array.from({ length: 40 }, () => spare.take(1)));
  t.is(spare.count, 40);
  const kept = spare.take(1);
  spare.giveBack([kept]);
  await until(() => {
    const one = spare.take(1);
    spare.giveBack([one]);
    return spare.count === 1;
  });
  await until(() => spare.count === 0);
});
