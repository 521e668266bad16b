/** Streamed answers: what goes out, and how a client notices that a part is missing. */
import test from "ava";
import { AuthdError, connect } from "../../src/client.ts";
import { MAX_CHUNK_BYTES } from "../../src/protocol.ts";
import type { Handlers } from "../../src/rpc/call.ts";
import { ResponseStream } from "../../src/rpc/response-stream.ts";
import { makeHome } from "../helpers/daemon.ts";
import { type Answer, RawClient, startWire } from "../helpers/wire.ts";

const url = "https://api.example/";
const SIZES = [1, 0, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1, 5 * MAX_CHUNK_BYTES];
const body = Buffer.concat(SIZES.map((size, index) => Buffer.alloc(size, index + 1)));

/** Streams a body in parts of these sizes. */
const streaming: Handlers["authorizedRequest"] = async ({ streamToken }, call) => {
  const stream = new ResponseStream(call, streamToken);
  const head = { status: 200, statusText: "OK", headers: {}, url };
  await stream.head(head);
  let from = 0;
  for (const size of SIZES) {
    await stream.chunk(body.subarray(from, from + size));
    from += size;
  }
  return { ...head, refreshed: false, ...stream.sent };
};

const asked = (id: string, streamToken: string) =>
  `{"jsonrpc":"2.0","id":${id},"method":"authorizedRequest","params":{"credential":"demo","url":"${url}","stream":true,"streamToken":${streamToken}}}\n`;

/** The longest id and token that there are, as JSON. */
const LONGEST = JSON.stringify("\u0001".repeat(256));

for (const [id, token] of [
  ["1", '"a\\u2028b"'],
  ["1e400", "18446744073709551615"],
  ["0.10", "1.0"],
  [LONGEST, LONGEST],
  ['"x"', "1e400"],
] as const) {
  test(`every notification of ${id.slice(0, 9)} has the id and the token ${token.slice(0, 9)} as they were written`, async (t) => {
    const { path } = await startWire(t, { authorizedRequest: streaming });
    const client = await RawClient.open(t, path);
    client.socket.write(asked(id, token));
    const chunks: Buffer[] = [];
    let answer: Answer | undefined = await client.next();
    t.is(answer?.method, "response/head");
    for (answer = await client.next(); answer?.method; answer = await client.next()) {
      t.is(answer.method, "response/chunk");
      t.is(answer.params?.seq, chunks.length);
      chunks.push(Buffer.from(answer.params?.data as string, "base64"));
    }
    t.like(answer?.result, { bytes: body.length, chunks: chunks.length, status: 200 });
    t.true(Buffer.concat(chunks).equals(body));
    const lines = client.received.trimEnd().split("\n");
    t.is(lines.length, chunks.length + 2);
    t.true(Math.max(...lines.map(({ length }) => length)) < 64 * 1024);
    for (const line of lines.slice(0, -1)) {
      t.true(line.includes(`"params":{"id":${id},`));
      t.true(line.endsWith(`"streamToken":${token}}}`));
    }
    t.true(lines.at(-1)?.startsWith(`{"jsonrpc":"2.0","id":${id},"result":`));
  });
}

test("without a token none comes back; one that is none, or too long, is refused", async (t) => {
  const { path } = await startWire(t, { authorizedRequest: streaming });
  const client = await RawClient.open(t, path);
  for (const token of ["true", "{}", `"${"a".repeat(257)}"`, "1".repeat(257)]) {
    client.socket.write(asked("1", token));
    const { error } = (await client.next()) ?? {};
    t.is(error?.code, -32602, token);
    t.regex(
      error?.message ?? "",
      /streamToken: expected a string or a number of at most 256 bytes/,
    );
  }
  client.socket.write(asked("1", "null"));
  for (let answer = await client.next(); answer?.method; answer = await client.next()) {
    t.false("streamToken" in answer.params!);
  }
});

/** Streams that are not whole. */
const broken: Record<string, Handlers["authorizedRequest"]> = {
  "without a chunk in the middle": async (_, call) => {
    const stream = new ResponseStream(call);
    const head = { status: 200, statusText: "OK", headers: {}, url };
    await stream.head(head);
    await stream.chunk(Buffer.from("one"));
    stream.sent.chunks++;
    await stream.chunk(Buffer.from("three"));
    return { ...head, refreshed: false, ...stream.sent };
  },
  "without its last chunk": async (_, call) => {
    const stream = new ResponseStream(call);
    const head = { status: 200, statusText: "OK", headers: {}, url };
    await stream.head(head);
    await stream.chunk(Buffer.from("one"));
    const { bytes, chunks } = stream.sent;
    return { ...head, refreshed: false, bytes: bytes + 3, chunks: chunks + 1 };
  },
};

for (const [what, authorizedRequest] of Object.entries(broken)) {
  test(`a stream ${what} is an error for the client and the command line`, async (t) => {
    const home = makeHome(t);
    const { path } = await startWire(t, { authorizedRequest });
    const client = connect({ socket: path });
    t.teardown(() => client.close());
    const response = await client.authorizedFetch("demo")(url);
    const error = await t.throwsAsync(response.text(), { instanceOf: AuthdError });
    t.is(error?.reason, "request_failed");
    t.regex(error?.message ?? "", /demo: the answer from authd is not whole/);
    const env = { AUTHD_SOCKET: path };
    const { code, stderr } = await home.cli(["request", "demo", url], { env });
    t.is(code, 1);
    t.regex(stderr, /the answer from authd is not whole/);
  });
}
