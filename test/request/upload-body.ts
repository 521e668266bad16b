/** A body in parts, as the HTTP client asks for it. */
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
