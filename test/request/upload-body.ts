/** A body in parts, as the HTTP client asks for it. */
import { randomBytes } from "node:crypto";
import test from "ava";
import { type Turn, UploadBody } from "../../src/request/upload-body.ts";

/** A body, and the turns that it has told of. */
function setup() {
  const turns: (Turn | undefined)[] = [];
  const body = new UploadBody({ onTurn: (turn) => turns.push(turn), onForgotten: () => {} });
  return { body, turns, sending: () => body.parts()[Symbol.asyncIterator]() };
}

test("a connection that closes after the body was rewound takes nothing from the next one", async (t) => {
  const { body, turns, sending } = setup();
  const earlier = sending();
  const taken = body.push(Buffer.from("one"), false);
  t.is(String((await earlier.next()).value), "one");
  body.hold();
  body.rewind();
  const later = sending();
  t.is(String((await later.next()).value), "one");
  const next = later.next();
  t.is(await taken, "taken");
  t.is(turns.at(-1), "client");

  let late: unknown;
  void earlier.next().catch((error) => {
    late = error;
  });
  void body.push(Buffer.from("two"), true);
  t.is(turns.at(-1), "api", "the later connection is given the part");
  t.is(String((await next).value), "two");
  t.true((await later.next()).done);
  t.regex(String(late), /not sent any further/);
});

test("a closed body rejects whoever asks for more", async (t) => {
  const { body, sending } = setup();
  const iterator = sending();
  body.close();
  await t.throwsAsync(iterator.next(), { message: /not sent any further/ });
});

/** Takes the body to its end. */
async function rest(iterator: AsyncIterator<Buffer>): Promise<Buffer[]> {
  const slices: Buffer[] = [];
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) return slices;
    slices.push(value);
  }
}

const isShort = (slice: Buffer) => slice.length <= 64 * 1024;

test("a long part is given in slices, each with a turn of its own, and is taken after the last", async (t) => {
  const { body, turns, sending } = setup();
  const iterator = sending();
  const part = randomBytes(1_000_000);
  let taken: unknown;
  void body.push(part, false).then((how) => {
    taken = how;
  });
  let given: Buffer = Buffer.alloc(0);
  while (given.length < part.length) {
    t.is(taken, undefined);
    turns.length = 0;
    const { value } = await iterator.next();
    t.true(isShort(value));
    t.deepEqual(turns, ["api"]);
    given = Buffer.concat([given, value]);
  }
  t.true(given.equals(part));
  const next = iterator.next();
  void body.push(Buffer.from("end"), true);
  t.is(String((await next).value), "end");
  t.is(taken, "taken");
});

test("a body that is rewound in the midst of a part is sent whole, the kept beginning in slices, too", async (t) => {
  const { body, turns, sending } = setup();
  const earlier = sending();
  const parts = [randomBytes(200_000), randomBytes(2_000_000), Buffer.alloc(0), Buffer.from("end")];
  for (const part of parts) void body.push(part, part === parts.at(-1));
  for (let asked = 0; asked < 6; asked++) await earlier.next();
  t.true(body.isReplayable, "of a long part, only so much was given");
  body.hold();
  body.rewind();
  turns.length = 0;
  const later = sending();
  const first = (await later.next()).value as Buffer;
  t.deepEqual(turns, ["api"], "the API may not stall with the kept beginning, either");
  const slices = [first, ...(await rest(later))];
  t.true(slices.every(isShort));
  t.true(Buffer.concat(slices).equals(Buffer.concat(parts)));
  t.true(body.isOver);
});
