/** Framing: however a stream is cut, it means the same; whatever it holds, it is answered or closed. */
import { once } from "node:events";
import * as net from "node:net";
import fc from "fast-check";
import { AuthdError } from "../../src/errors.ts";
import { FrameParser } from "../../src/rpc/frame-parser.ts";
import { elementsOf, sourceAt } from "../../src/rpc/json-source.ts";
import { DEFAULT_LIMITS } from "../../src/rpc/server.ts";
import type { Scope } from "../helpers/scope.ts";
import { startWire } from "../helpers/wire.ts";
import { deepJson, mutated, mutation, oddJson, oddText } from "./odd.ts";
import { type Checkable, demand, type Property } from "./property.ts";

/** Small enough for streams that go over it. */
const MAX_FRAME = 5_000;

export const framing: readonly Property[] = [
  { name: "framing-splits", runs: 300, start: () => sameFrames },
  { name: "framing-socket", runs: 150, start: sameAnswers },
  { name: "framing-ids", runs: 200, start: sameIds },
];

// ---- streams ----

const ids: fc.Arbitrary<string> = fc.constantFrom(
  ...["#", '"s#"', "null", "-#", "#.50", "#e0", "9007199254740993", "1e400", "{}", "[1]", "true"],
);

/** Ids are made of `#`, the place in the stream: what is in flight at once must not decide. */
const request: fc.Arbitrary<string> = fc
  .record({
    id: fc.option(fc.oneof({ weight: 6, arbitrary: fc.constant("#") }, ids), { nil: undefined }),
    method: fc.constantFrom("getToken", "status", "nothing", "__proto__", "$/progress", ""),
    params: fc.option(
      fc.oneof(
        fc
          .record({ credential: oddText.filter((text) => text.length < 1_000) })
          .map((value) => JSON.stringify(value)),
        oddJson.map((value) => JSON.stringify(value)).filter((text) => text.length < 1_000),
        fc
          .constantFrom(2, 500, 2_000)
          .map((depth) => `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`),
      ),
      { nil: undefined },
    ),
  })
  .map(({ id, method, params }) => {
    const members = [`"jsonrpc":"2.0"`, `"method":${JSON.stringify(method)}`];
    if (id !== undefined) members.push(`"id":${id}`);
    if (params !== undefined) members.push(`"params":${params}`);
    return `{${members.join(",")}}`;
  });

const body: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: request.map((text) => Buffer.from(text)) },
  request.map((text) => Buffer.from(`[${text}]`)),
  fc.array(request, { maxLength: 4 }).map((texts) => Buffer.from(`[ ${texts.join(" , ")} ]`)),
  request.map((text) => Buffer.from(`\ufeff${text}`)),
  request.map((text) => Buffer.from(text.replace('"method":"', '"method":"\xff'), "latin1")),
  fc.constantFrom("", "null", "1", '"', '{"jsonrpc":"2.0","id":1,"result":1}').map(Buffer.from),
  fc
    .constantFrom("$/cancelRequest", "$/setTrace")
    .map((method) => Buffer.from(`{"jsonrpc":"2.0","method":"${method}","params":{"id":12345}}`)),
  deepJson.filter((text) => text.length < 10_000).map((text) => Buffer.from(text)),
  fc.tuple(request, fc.array(mutation, { minLength: 1, maxLength: 2 })).map(([text, changes]) => {
    return mutated(Buffer.from(text), changes);
  }),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
);

type Header = (length: number) => string;
const plainHeader: Header = (length) => `Content-Length: ${length}\r\n\r\n`;

const header: fc.Arbitrary<Header> = fc.oneof(
  { weight: 8, arbitrary: fc.constant(plainHeader) },
  fc.constantFrom<Header>(
    (length) => `content-length:${length}\r\n\r\n`,
    (length) => `Content-Type: x; charset=utf-8\r\nContent-Length:\t${length} \r\n\r\n`,
    (length) => `Content-Length: ${length}\r\nContent-Length: ${length}\r\n\r\n`,
    (length) => `Content-Length: ${String(length).padStart(9, "0")}\r\n\r\n`,
    (length) => `Content-Length: ${String(length).padStart(12, "0")}\r\n\r\n`,
    (length) => `Content-Length: ${length}\r\nContent-Length: ${length + 1}\r\n\r\n`,
    (length) => `Content-Length: ${length + 1}\r\n\r\n`,
    (length) => `Content-Length: ${Math.max(0, length - 1)}\r\n\r\n`,
    (length) => `Content-Length: -${length}\r\n\r\n`,
    (length) => `Content-Length: 0x${length}\r\n\r\n`,
    (length) => `Content-Length: ${length}\n\n`,
    (length) => `Content-Length: ${length}\r\r\n\n`,
    (length) => `Content-Length : ${length}\r\n\r\n`,
    () => "Content-Length: \r\n\r\n",
    () => "Content-Length: 99999999999999999999\r\n\r\n",
    () => `Content-Length: ${MAX_FRAME + 1}\r\n\r\n`,
    () => "Content-Type: json\r\n\r\n",
    () => "\r\n\r\n",
    () => "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
  ),
  // Around the longest header that is read.
  fc.integer({ min: 4_040, max: 4_080 }).map(
    (padding): Header =>
      (length) =>
        `X: ${"x".repeat(padding)}\r\nContent-Length: ${length}\r\n\r\n`,
  ),
);

const lineEnd = fc.constantFrom("\n", "\n", "\n", "\r\n", "\n\n", "\r", "\r\n \t\r\n", "");

/** A stream in one of the framings, for the most part; as Latin-1, which people can read. */
const stream: fc.Arbitrary<string> = fc
  .record({
    base: fc.boolean(),
    pieces: fc.array(fc.record({ body, header, lineEnd, other: fc.nat({ max: 19 }) }), {
      maxLength: 6,
    }),
    changes: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      fc.array(mutation, { maxLength: 2 }),
    ),
  })
  .map(({ base, pieces, changes }) => {
    const parts = pieces.flatMap(({ body, header, lineEnd, other }, place) => {
      const named = Buffer.from(body.toString("latin1").replaceAll("#", `${place + 1}`), "latin1");
      const inBase = other === 0 ? !base : base;
      const head = Buffer.from(header(named.length), "latin1");
      return inBase ? [head, named] : [named, Buffer.from(lineEnd)];
    });
    return mutated(Buffer.concat(parts), changes).toString("latin1");
  });

const cuts = fc.array(
  fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 60 }), fc.integer({ min: 4_050, max: 4_110 })),
  { maxLength: 12 },
);

/** The stream in pieces of these sizes; what is left is the last one. */
function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...parts, bytes.subarray(at)].filter(({ length }) => length > 0);
}

/** What a parser makes of it. */
function parse(parts: readonly Buffer[], maxBytes: number) {
  const frames: string[] = [];
  const onFrame = (frame: Buffer) => void frames.push(frame.toString("latin1"));
  const parser = new FrameParser(maxBytes, onFrame, DEFAULT_LIMITS.json);
  try {
    for (const part of parts) parser.push(part);
    const { partial } = parser;
    parser.end();
    return { frames, partial, refused: undefined };
  } catch (error) {
    demand(error instanceof AuthdError, `the parser threw ${error}`);
    return { frames, partial: undefined, refused: error.reason };
  }
}

const sameFrames: Checkable = fc.property(
  stream,
  cuts,
  fc.constantFrom(60, MAX_FRAME),
  (text, sizes, maxBytes) => {
    const bytes = Buffer.from(text, "latin1");
    const whole = JSON.stringify(parse([bytes], maxBytes));
    const cut = JSON.stringify(parse(pieces(bytes, sizes), maxBytes));
    demand(whole === cut, `unsplit: ${whole}\nsplit: ${cut}`);
    if (bytes.length > 3_000) return;
    const single = JSON.stringify(parse(pieces(bytes, Array(bytes.length).fill(1)), maxBytes));
    demand(whole === single, `unsplit: ${whole}\nbyte by byte: ${single}`);
  },
);

// ---- the same over a socket ----

/** What a message or a batch of them is answered with. */
interface Said {
  id: unknown;
  result?: unknown;
  error?: { code: number; message: string; data?: { reason: string } };
}

async function sameAnswers(scope: Scope): Promise<Checkable> {
  const status = () => {
    throw new AuthdError("timeout", "The practice daemon has no status.");
  };
  const { path } = await startWire(scope, { status }, { limits: { frameBytes: MAX_FRAME } });
  return fc.asyncProperty(stream, cuts, async (text, sizes) => {
    const bytes = Buffer.from(text, "latin1");
    const whole = await converse(path, [bytes]);
    const cut = await converse(path, pieces(bytes, sizes));
    const { refused, frames } = parse([bytes], MAX_FRAME);
    // What was asked before a frame that can't be read may or may not be answered by then, and
    // what has the id of another may or may not find that one in flight.
    if (refused !== undefined || hasTwins(frames)) return;
    demand(`${whole}` === `${cut}`, `unsplit: ${whole}\nsplit: ${cut}`);
    const unreadable = frames.filter((frame) => !isReadable(Buffer.from(frame, "latin1"))).length;
    const complaints = whole.filter((text) => text.includes('"code":-32700,')).length;
    demand(unreadable === complaints, `${unreadable} can't be read, ${complaints} were refused`);
    demand(whole.length <= frames.length, `${frames.length} frames, ${whole.length} answers`);
  });
}

/** JSON in UTF-8, as others read it. */
function isReadable(frame: Buffer): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(frame));
    return true;
  } catch {
    return false;
  }
}

/** Whether two messages have one id. */
function hasTwins(frames: readonly string[]): boolean {
  const found = frames.flatMap((text) => text.match(/"id":[^,}]*/g) ?? []);
  return new Set(found).size < found.length;
}

/** Sends it, ends, and waits for the end: the answers, in any order, each well-formed. */
async function converse(path: string, parts: readonly Buffer[]): Promise<string[]> {
  const socket = net.connect({ path, allowHalfOpen: true });
  const answers: string[] = [];
  const parser = new FrameParser(2 ** 24, (frame) => answers.push(wellFormed(frame)));
  const problems: unknown[] = [];
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    try {
      parser.push(chunk);
    } catch (error) {
      problems.push(error);
    }
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.once("end", () => socket.destroy());
  await once(socket, "connect");
  for (const part of parts) {
    socket.write(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await closed;
  if (problems.length > 0) throw problems[0];
  return answers.sort();
}

function wellFormed(frame: Buffer): string {
  const text = frame.toString();
  const said = JSON.parse(text) as Said | Said[];
  if (!Array.isArray(said)) return wellFormedOne(said, text);
  demand(said.length > 0, "an empty list of answers");
  for (const one of said) wellFormedOne(one, text);
  return text;
}

function wellFormedOne({ id, result, error }: Said, text: string): string {
  demand(id === null || typeof id === "string" || typeof id === "number", `id in ${text}`);
  demand((result === undefined) !== (error === undefined), `one of result and error: ${text}`);
  demand(result !== undefined || Number.isSafeInteger(error?.code), `code in ${text}`);
  const reason = error?.data?.reason;
  demand(result !== undefined || (reason !== undefined && reason !== "internal"), text);
  return text;
}

// ---- ids ----

/** Any number that JSON can hold, and strings. */
const idText: fc.Arbitrary<string> = fc.oneof(
  fc.stringMatching(/^-?(0|[1-9]\d{0,25})(\.\d{1,20})?([eE][+-]?\d{1,4})?$/),
  oddText.filter((text) => Buffer.byteLength(text) <= 256).map((text) => JSON.stringify(text)),
);
const gap = fc.constantFrom("", "", " ", "\t", "\r\n");

/** A request with members of the name `id` wherever they mean nothing. */
const withId: fc.Arbitrary<{ id: string; text: string }> = fc
  .record({ id: idText, decoy: idText, gap, first: fc.boolean(), body: oddJson })
  .chain(({ id, decoy, gap, first, body }) => {
    const params = `{"credential":"demo","id":${decoy},"body":${JSON.stringify({ id: body })}}`;
    const members = [`"jsonrpc":${gap}"2.0"`, `"method":${gap}"getToken"`, `"params":${params}`];
    const own = `"id"${gap}:${gap}${id}`;
    return fc
      .shuffledSubarray(members, { minLength: 3 })
      .map((others) => (first ? [own, ...others] : [...others, own]))
      .map((all) => ({ id, text: `${gap}{${gap}${all.join(`${gap},${gap}`)}${gap}}` }));
  });

/** Answered with the number as it was written, or the string that it meant. */
async function sameIds(scope: Scope): Promise<Checkable> {
  const { path } = await startWire(scope);
  return fc.asyncProperty(withId, fc.boolean(), async ({ id, text }, isBatch) => {
    const sent = Buffer.from(isBatch ? `[${text}]` : text);
    const header = `Content-Length: ${sent.length}\r\n\r\n`;
    const [answer = ""] = await converse(path, [Buffer.from(header), sent]);
    const [one = ""] = isBatch ? elementsOf(answer) : [answer];
    const found = sourceAt(one, ["id"]) ?? "";
    const isSame = id.startsWith('"') ? JSON.parse(found) === JSON.parse(id) : found === id;
    demand(isSame, `${id} was answered with ${answer}`);
  });
}
