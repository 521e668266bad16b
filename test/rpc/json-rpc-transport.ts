import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import {
  createMessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import { FrameParser, type Framing, frame } from "../../src/rpc/frame-parser.ts";
import { RawClient, startWire } from "../helpers/wire.ts";

const get = (id: unknown, credential = "demo") => ({
  jsonrpc: "2.0",
  id,
  method: "getToken",
  params: { credential },
});

/** A connection that has sent this, and only this. */
async function having(t: ExecutionContext, sent: string | Buffer, framing: Framing = "lines") {
  const { path } = await startWire(t);
  const client = await RawClient.open(t, path, framing);
  client.socket.write(sent);
  return client;
}

for (const framing of ["lines", "base"] as const) {
  test(`${framing}: a first message may be getToken, and the answer has the same framing`, async (t) => {
    const { path } = await startWire(t);
    const client = await RawClient.open(t, path, framing);
    client.send(get(7));
    t.is((await client.next())?.result?.accessToken, "demo");
    t.regex(client.received, framing === "lines" ? /^\{.*\}\n$/ : /^Content-Length: \d+\r\n\r\n\{/);
  });

  test(`${framing}: cut anywhere, joined anyhow, the same messages come out`, (t) => {
    const texts = fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 1 });
    const cuts = fc.array(fc.nat({ max: 40 }));
    fc.assert(
      fc.property(texts, cuts, (messages, sizes) => {
        const jsons = messages.map((text) => JSON.stringify({ text }));
        const bytes = Buffer.from(
          jsons.map((json) => frame(framing, json, Buffer.byteLength(json))).join(""),
        );
        const seen: string[] = [];
        const parser = new FrameParser(1_000_000, (body) => seen.push(body.toString()));
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          parser.push(bytes.subarray(at, at + size));
          at += size;
        }
        t.deepEqual(seen, jsons);
        t.false(parser.partial);
      }),
    );
  });

  test(`${framing}: a burst of requests is answered in full`, async (t) => {
    const { path } = await startWire(t);
    const client = await RawClient.open(t, path, framing);
    for (let id = 0; id < 500; id++) client.send(get(id));
    const answers = await client.take(500);
    t.deepEqual(
      answers.map(({ id }) => id),
      Array.from({ length: 500 }, (_, id) => id),
    );
  });

  test(`${framing}: a message of several megabytes arrives whole`, async (t) => {
    const { path } = await startWire(t);
    const client = await RawClient.open(t, path, framing);
    const name = "å".repeat(3_000_000);
    client.send(get(1, name));
    t.is((await client.next())?.result?.accessToken, name);
  });

  test(`${framing}: a frame over the cap closes the connection before its body is read`, async (t) => {
    const { path } = await startWire(t, {}, { limits: { frameBytes: 1000 } });
    const client = await RawClient.open(t, path, framing);
    client.socket.write(framing === "base" ? "Content-Length: 1001\r\n\r\n" : "{".repeat(1001));
    t.is((await client.next())?.error?.data.reason, "request_too_large");
    await client.closed;
    t.pass();
  });

  test(`${framing}: half a frame and silence closes the connection`, async (t) => {
    const { path } = await startWire(t, {}, { limits: { frameMs: 50 } });
    const client = await RawClient.open(t, path, framing);
    client.socket.write(framing === "base" ? "Content-Length: 10\r\n\r\n{" : '{"jsonrpc"');
    t.is((await client.next())?.error?.data.reason, "timeout");
    await client.closed;
    t.pass();
  });

  test(`${framing}: silence between frames closes nothing`, async (t) => {
    const { path } = await startWire(t, {}, { limits: { frameMs: 20 } });
    const client = await RawClient.open(t, path, framing);
    for (const id of [1, 2]) {
      client.send(get(id));
      t.is((await client.next())?.id, id);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  });

  test(`${framing}: the time for a frame counts from its own first byte`, async (t) => {
    const { path } = await startWire(t, {}, { limits: { frameMs: 2000 } });
    const client = await RawClient.open(t, path, framing);
    const json = JSON.stringify(get(1));
    const one = frame(framing, json, json.length);
    client.socket.write(one.slice(0, 30));
    for (let i = 0; i < 9; i++) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      // The end of one frame and the beginning of the next.
      client.socket.write(one.slice(30) + one.slice(0, 30));
      t.is((await client.next())?.id, 1);
    }
  });

  test(`${framing}: a client that half-closes still gets its answers`, async (t) => {
    const { path } = await startWire(t, {
      getToken: async ({ credential }) => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        return { accessToken: credential, tokenType: "Bearer", expiresAt: null, headers: {} };
      },
    });
    const client = await RawClient.open(t, path, framing);
    const json = JSON.stringify(get(1));
    client.socket.end(frame(framing, json, json.length));
    t.is((await client.next())?.id, 1);
    t.is(await client.next(), undefined);
  });
}

test("lines end in LF or CR LF, blank ones are ignored, the last newline is optional", async (t) => {
  const line = (id: number) => JSON.stringify(get(id));
  const client = await having(t, "");
  client.socket.end(`\r\n \t\r\n\n${line(1)}\r\n\n${line(2)}\n  ${line(3)}`);
  t.deepEqual(
    (await client.take(4)).map(({ id }) => id),
    [1, 2, 3, undefined],
  );
});

test("vscode-jsonrpc's own reader and writer are understood", async (t) => {
  const { path } = await startWire(t);
  const { socket } = await RawClient.open(t, path, "base");
  const rpc = createMessageConnection(
    new SocketMessageReader(socket),
    new SocketMessageWriter(socket),
  );
  t.teardown(() => rpc.dispose());
  rpc.listen();
  const { accessToken } = await rpc.sendRequest<{ accessToken: string }>("getToken", {
    credential: "höjd",
  });
  t.is(accessToken, "höjd");
});

test("a header may have other fields, other cases, and the same length twice", async (t) => {
  const json = JSON.stringify(get(1));
  const length = `content-length:${json.length}`;
  const client = await having(
    t,
    `Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n${length}\r\n${length}\r\n\r\n${json}`,
    "base",
  );
  t.is((await client.next())?.id, 1);
});

for (const [what, header] of [
  ["negative", "Content-Length: -1\r\n\r\n"],
  ["huge", "Content-Length: 99999999999999999999\r\n\r\n"],
  ["missing", "Content-Type: json\r\n\r\n"],
  ["given twice with different values", "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"],
  ["not in digits", "Content-Length: 0x10\r\n\r\n"],
  ["with a sign", "Content-Length: +10\r\n\r\n"],
  ["empty", "Content-Length: \r\n\r\n"],
  ["followed by what is no header", "Content-Length: 10\r\nhello\r\n\r\n"],
] as const) {
  test(`a Content-Length that is ${what} closes the connection, with an error`, async (t) => {
    const client = await having(t, header, "base");
    t.is((await client.next())?.error?.code, -32600);
    await client.closed;
    t.pass();
  });
}

for (const [what, sent] of [
  ["over 4 KiB", `X: ${"x".repeat(5000)}`],
  ["with bare line feeds", "Content-Length: 10\n\n"],
  ["of another protocol", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
] as const) {
  test(`a header block ${what} closes the connection, with an error`, async (t) => {
    const client = await having(t, sent, "base");
    t.is((await client.next())?.error?.code, -32600);
    await client.closed;
    t.pass();
  });
}

const valid = { jsonrpc: "2.0", id: 1, method: "getToken", params: { credential: "demo" } };
for (const [what, sent, code, id] of [
  ["unparsable", "{nonsense", -32700, null],
  ["not UTF-8", Buffer.from('{"jsonrpc":"2.0","id":"\xff"}', "latin1"), -32700, null],
  ["an empty batch", "[]", -32600, null],
  ["a number", " 5", -32600, null],
  ["null", " null", -32600, null],
  ["without jsonrpc", JSON.stringify({ ...valid, jsonrpc: undefined }), -32600, 1],
  ["of JSON-RPC 1.0", JSON.stringify({ ...valid, jsonrpc: "1.0", id: "a" }), -32600, "a"],
  ["without a method", JSON.stringify({ jsonrpc: "2.0", id: 1 }), -32600, 1],
  ["with nothing but an id", JSON.stringify({ id: 0 }), -32600, 0],
  ["with a method that is a number", JSON.stringify({ ...valid, method: 5 }), -32600, 1],
  ["without jsonrpc and id", JSON.stringify({ method: "status" }), -32600, null],
  ["with a null id", JSON.stringify({ ...valid, id: null }), -32600, null],
  ["with an id that is an object", JSON.stringify({ ...valid, id: {} }), -32600, null],
  ["with an id that is a list", JSON.stringify({ ...valid, id: [1] }), -32600, null],
  ["with an id that is a boolean", JSON.stringify({ ...valid, id: true }), -32600, null],
] as const) {
  test(`a message that is ${what} gets one error with the id that can be read`, async (t) => {
    const client = await having(t, "");
    client.socket.write(Buffer.concat([Buffer.from(sent), Buffer.from("\n")]));
    const answer = await client.next();
    t.is(answer?.id, id);
    t.is(answer?.error?.code, code);
    t.is(answer?.error?.data.reason, "invalid_params");
    client.send(get("after"));
    t.is((await client.next())?.id, "after");
  });
}

for (const [what, params] of [
  ["positional", ["demo"]],
  ["one object by position", [{ credential: "demo" }]],
  ["a string", "demo"],
  ["a number", 5],
] as const) {
  test(`params that are ${what} are -32602`, async (t) => {
    const client = await having(t, "");
    client.request(3, "getToken", params);
    const answer = await client.next();
    t.is(answer?.id, 3);
    t.is(answer?.error?.code, -32602);
  });
}

test('1 and "1" are two ids, also at the same time', async (t) => {
  const client = await having(t, `${JSON.stringify(get(1))}\n${JSON.stringify(get("1"))}\n`);
  t.deepEqual(new Set((await client.take(2)).map(({ id }) => id)), new Set([1, "1"]));
});

test("ids come back as they were sent", async (t) => {
  const ids = [0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, "", 'a"\n', "höjd", "s1"];
  const client = await having(t, "", "base");
  for (const id of ids) client.send(get(id));
  t.deepEqual(
    (await client.take(ids.length)).map(({ id }) => id),
    ids,
  );
});

test("a second request with an id in flight is refused, the first is answered", async (t) => {
  const { path } = await startWire(t, {
    getToken: () => new Promise(() => {}),
    status: () => new Promise(() => {}),
  });
  const client = await RawClient.open(t, path);
  client.send(get(1));
  client.request(1, "status");
  const refused = await client.next();
  t.is(refused?.id, null);
  t.is(refused?.error?.code, -32600);
  t.is(refused?.error?.data.reason, "invalid_params");
  client.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } });
  t.is((await client.next())?.id, 1);
});

test("notifications and responses that nobody asked for are dropped", async (t) => {
  const client = await having(t, "");
  for (const message of [
    { method: "$/cancelRequest" },
    { method: "$/cancelRequest", params: null },
    { method: "$/cancelRequest", params: [1] },
    { method: "$/cancelRequest", params: {} },
    { method: "$/cancelRequest", params: { id: null } },
    { method: "$/cancelRequest", params: { id: { toString: null } } },
    { method: "$/cancelRequest", params: { id: 99 } },
    { method: "$/progress" },
    { method: "$/setTrace", params: { value: "verbose" } },
    { method: "getToken", params: { credential: "demo" } },
    { id: 1, result: 5 },
    { id: null, error: { code: 1, message: "x" } },
  ]) {
    client.send({ jsonrpc: "2.0", ...message });
  }
  client.send(get("after"));
  t.is((await client.next())?.id, "after");
});

test("the longest header is read however its bytes arrive", (t) => {
  const length = "Content-Length: 2\r\n";
  const frameOf = (bytes: number) =>
    `${length}X: ${"x".repeat(bytes - length.length - 3)}\r\n\r\n{}`;
  const seen = (text: string, cut: number) => {
    const frames: string[] = [];
    const parser = new FrameParser(1_000, (body) => frames.push(body.toString()));
    parser.push(Buffer.from(text.slice(0, cut)));
    parser.push(Buffer.from(text.slice(cut)));
    return frames;
  };
  for (let cut = 4_080; cut < 4_104; cut++) {
    t.deepEqual(seen(frameOf(4_096), cut), ["{}"], `cut after ${cut}`);
    t.throws(() => seen(frameOf(4_097), cut), { message: /longer than 4096 bytes/ });
  }
});
