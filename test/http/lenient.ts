/** Takes what curl takes of HTTP/1.1, and refuses what two readers could understand in two ways. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { createHttp, HttpFailure } from "../../src/http/http.ts";
import { run } from "../helpers/child.ts";
import { absent, missing } from "../helpers/optional.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const TWO = "content-length: 2\r\n\r\nok";
const CHUNKED = "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
/** 64 KiB of names and values. */
const LONG_HEADERS = `x-long: ${"a".repeat(16 * 1024 - 12)}\r\n`.repeat(4);

interface Habit {
  sent: string;
  /** Headers of the response, besides those of the connection and of its length. */
  headers?: Record<string, string | string[]>;
}

/** Responses with the body `ok`, as latin1 text. */
const TAKEN: Readonly<Record<string, Habit>> = {
  "a line without a colon": { sent: `${OK}nonsense\r\nx: 1\r\n${TWO}`, headers: { x: "1" } },
  "a space in a name": { sent: `${OK}x y: z\r\nx: 1\r\n${TWO}`, headers: { x: "1" } },
  "a space before a colon": {
    sent: `${OK}x : 1\r\ncontent-length : 2\r\n\r\nok`,
    headers: { x: "1" },
  },
  "a control character in a name": { sent: `${OK}x\x01: 1\r\n${TWO}` },
  "no name": { sent: `${OK}: 1\r\n${TWO}` },
  "LF for CRLF": { sent: "HTTP/1.1 200 OK\nx: 1\ncontent-length: 2\n\nok", headers: { x: "1" } },
  "LF for CRLF once": { sent: `HTTP/1.1 200 OK\r\nx: 1\n${TWO}`, headers: { x: "1" } },
  "LF for CRLF at the end": { sent: `${OK}content-length: 2\r\n\nok` },
  "LF for CRLF, read until the end": { sent: "HTTP/1.0 200 OK\n\nok" },
  "control characters in a value": { sent: `${OK}x: a\x01b\x7f\r\n${TWO}`, headers: { x: "a b" } },
  "NUL in a value": { sent: `${OK}x: a\0b\r\n${TWO}`, headers: { x: "a b" } },
  "CR in a value": { sent: `${OK}x: a\rb: c\r\n${TWO}`, headers: { x: "a b: c" } },
  "a control character in the reason": { sent: `HTTP/1.1 200 O\x01K\r\n${TWO}` },
  "a continued line": { sent: `${OK}x: a\r\n  b\r\n${TWO}`, headers: { x: "a b" } },
  "a continued line that continues nothing": { sent: `${OK}  b\r\n${TWO}` },
  "Content-Length twice": { sent: `${OK}content-length: 2\r\nContent-Length: 2\r\n\r\nok` },
  "Content-Length with a zero before it": {
    sent: `${OK}content-length: 2\r\ncontent-length: 02\r\n\r\nok`,
  },
  "an extension of a chunk": {
    sent: `${OK}transfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n`,
  },
  "an extension of a chunk, LF for CRLF": {
    sent: "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2;a=b\nok\n0\n\n",
  },
  "Content-Length as a list": { sent: `${OK}content-length: 2, 2\r\n\r\nok` },
  "Content-Length beside chunked": { sent: `${OK}content-length: 7\r\n${CHUNKED}` },
  "Content-Length after chunked": {
    sent: `${OK}transfer-encoding: chunked\r\ncontent-length: 7\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  },
  "chunked twice": { sent: `${OK}transfer-encoding: chunked\r\n${CHUNKED}` },
  "Transfer-Encoding: identity": { sent: `${OK}transfer-encoding: identity\r\n${TWO}` },
  "spaces after a chunk's size": {
    sent: `${OK}transfer-encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n`,
  },
  "LF for CRLF, chunks included": {
    sent: "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n1\no\n1 \nk\n0\nx-trailer: 1\n\n",
  },
  "LF for CRLF in the head, CRLF in chunks": {
    sent: "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\r\nok\r\n0\r\n\r\n",
  },
  "64 KiB of headers": {
    sent: `${OK}${LONG_HEADERS}${TWO}`,
    headers: { "x-long": Array(4).fill("a".repeat(16 * 1024 - 12)) },
  },
  "a 100 that nobody asked for": { sent: `HTTP/1.1 100 Continue\r\n\r\n${OK}${TWO}` },
  "999 interim answers": {
    sent: `${"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n".repeat(999)}${OK}${TWO}`,
  },
  "interim answers with LF for CRLF": { sent: `${"HTTP/1.1 102 Wait\n\n".repeat(3)}${OK}${TWO}` },
  "no reason": { sent: `HTTP/1.1 200\r\n${TWO}` },
  "two spaces before the status": { sent: `HTTP/1.1  200 OK\r\n${TWO}` },
  "no space after the status": { sent: `HTTP/1.1 200OK\r\n${TWO}` },
  "HTTP/2 in a status line": { sent: `HTTP/2 200 OK\r\n${TWO}` },
  "small letters in a status line": { sent: `http/1.1 200 OK\r\n${TWO}` },
  "an empty line before the status line": { sent: `\r\n${OK}${TWO}` },
  "an unknown content coding": {
    sent: `${OK}content-encoding: utf-8\r\n${TWO}`,
    headers: { "content-encoding": "utf-8" },
  },
  "bytes after the end": { sent: `${OK}connection: close\r\n${TWO}\r\n\r\n` },
};

/** Responses that are refused, and the code that says why. */
const REFUSED: Readonly<Record<string, { sent: string; code: string }>> = {
  "Content-Length twice, different": {
    sent: `${OK}content-length: 2\r\ncontent-length: 3\r\n\r\nok`,
    code: "ERR_UNCLEAR_LENGTH",
  },
  "Content-Length as a list, different": {
    sent: `${OK}content-length: 2, 3\r\n\r\nok`,
    code: "ERR_UNCLEAR_LENGTH",
  },
  "Content-Length in words": {
    sent: `${OK}content-length: 2 x\r\n\r\nok`,
    code: "ERR_UNCLEAR_LENGTH",
  },
  "Content-Length negative": {
    sent: `${OK}content-length: -1\r\n\r\nok`,
    code: "ERR_UNCLEAR_LENGTH",
  },
  "Content-Length empty": { sent: `${OK}content-length:\r\n\r\nok`, code: "ERR_UNCLEAR_LENGTH" },
  "Content-Length behind a control character": {
    sent: `${OK}content-length\x0b: 3\r\n${TWO}`,
    code: "ERR_UNCLEAR_LENGTH",
  },
  "chunked behind a control character": {
    sent: `${OK}\0transfer-encoding: chunked\r\n${TWO}`,
    code: "ERR_UNCLEAR_LENGTH",
  },
  "a Content-Length within a value that CR ends": {
    sent: `${OK}content-length: 2\rcontent-length: 3\r\n\r\nok`,
    code: "ERR_UNCLEAR_LENGTH",
  },
  "a broken chunk": {
    sent: `${OK}transfer-encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n`,
    code: "ERR_BAD_FRAMING",
  },
  "a broken chunk, LF for CRLF": {
    sent: "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nok2\nok\n0\n\n",
    code: "ERR_BAD_FRAMING",
  },
  "LF for CRLF in chunks alone": {
    sent: `${OK}transfer-encoding: chunked\r\n\r\n2\nok\n0\n\n`,
    code: "ERR_BAD_FRAMING",
  },
  "over 64 KiB of headers": {
    sent: `${OK}${LONG_HEADERS}${LONG_HEADERS}${TWO}`,
    code: "ERR_HEADERS_TOO_LONG",
  },
  "1,001 interim answers": {
    sent: `${"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_001)}${OK}${TWO}`,
    code: "ERR_TOO_MANY_INTERIM_ANSWERS",
  },
  "another protocol": {
    sent: `HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n${OK}${TWO}`,
    code: "ERR_SWITCHED_PROTOCOLS",
  },
  "a body alone": { sent: "ok", code: "ERR_NOT_HTTP" },
  "another protocol's greeting": { sent: "220 mail.example ESMTP\r\n\r\n", code: "ERR_NOT_HTTP" },
  "HTTP/2's first frame": {
    sent: "\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64",
    code: "ERR_SPEAKS_HTTP2",
  },
  "a TLS alert": { sent: "\x15\x03\x01\0\x02\x02\x16", code: "ERR_SPEAKS_TLS" },
};

/** Says `parts`, one write each, to whoever asks, and ends. */
async function startRaw(t: ExecutionContext, parts: readonly string[]): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.once("data", async () => {
      for (const part of parts) {
        await new Promise((done) => socket.write(Buffer.from(part, "latin1"), done));
      }
      socket.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
}

/** Sends a request that is never repeated. */
async function ask(t: ExecutionContext, url: string) {
  const http = createHttp();
  t.teardown(() => http.close());
  const { headers, body } = await http({ method: "POST", url, headers: {}, body: "x" });
  let text = "";
  for await (const chunk of body.setEncoding("utf8")) text += chunk;
  return { text, headers };
}

const OF_THE_CONNECTION = ["connection", "content-length", "transfer-encoding"];

for (const [what, { sent, headers: expected = {} }] of Object.entries(TAKEN)) {
  test(`${what}: taken`, async (t) => {
    const { text, headers } = await ask(t, await startRaw(t, [sent]));
    t.is(text, "ok");
    const own = Object.entries(headers).filter(([name]) => !OF_THE_CONNECTION.includes(name));
    t.deepEqual(Object.fromEntries(own), expected);
  });
}

for (const [what, { sent, code }] of Object.entries(REFUSED)) {
  test(`${what}: refused`, async (t) => {
    const url = await startRaw(t, [sent]);
    const error = (await t.throwsAsync(ask(t, url), { instanceOf: HttpFailure }))!;
    t.deepEqual([error.code, error.sent, error.answered], [code, true, true]);
  });
}

for (const status of ["204 No Content", "304 Not Modified"]) {
  for (const length of ["content-length: 1234", "transfer-encoding: chunked"]) {
    test(`${status} with ${length}: taken, without a body`, async (t) => {
      const url = await startRaw(t, [`HTTP/1.1 ${status}\r\netag: "1"\r\n${length}\r\n\r\n`]);
      const { text, headers } = await ask(t, url);
      t.deepEqual([text, headers.etag], ["", '"1"']);
    });
  }
}

test("it makes no difference how an answer is cut into pieces", async (t) => {
  const sent = ["LF for CRLF, chunks included", "a 100 that nobody asked for"].map(
    (what) => TAKEN[what]!.sent,
  );
  for (const whole of sent) {
    for (let at = 1; at < whole.length; at += 3) {
      const url = await startRaw(t, [whole.slice(0, at), whole.slice(at)]);
      t.is((await ask(t, url)).text, "ok", JSON.stringify(whole.slice(0, at)));
    }
    t.is((await ask(t, await startRaw(t, [...whole]))).text, "ok");
  }
});

test("a repaired body that is read slowly comes whole", async (t) => {
  const lines = Array.from({ length: 3_000 }, (_, index) => `${index} ${"\n".repeat(index % 300)}`);
  const chunks = lines.map((line) => `${line.length.toString(16)}\n${line}\n`);
  const head = "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n";
  const url = await startRaw(t, [`${head}${chunks.join("")}0\n\n`]);
  const http = createHttp();
  t.teardown(() => http.close());
  const { body } = await http({ method: "GET", url, headers: {} });
  let text = "";
  for await (const chunk of body.setEncoding("utf8")) {
    text += chunk;
    await pause(1);
  }
  t.is(text, lines.join(""));
});

test("a connection whose answer had to be repaired carries no other request", async (t) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => {}).on("data", () => socket.write(`${OK}nonsense\r\n${TWO}`));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const http = createHttp();
  t.teardown(() => http.close().then(() => server.close()));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
  for (let i = 0; i < 3; i++) {
    const { body, reused } = await http({ method: "GET", url, headers: {} });
    for await (const _ of body);
    t.false(reused);
  }
  t.is(connections, 3);
});

/** Responses that curl takes and authd does not: curl believes the first number of a length, or the last length. */
const CURL_ALONE: ReadonlySet<string> = new Set([
  "Content-Length as a list, different",
  "Content-Length in words",
  "Content-Length behind a control character",
  "chunked behind a control character",
  "a Content-Length within a value that CR ends",
  "LF for CRLF in chunks alone",
  "over 64 KiB of headers",
  "1,001 interim answers",
]);

test("what curl takes, authd takes", async (t) => {
  if (absent("curl").length > 0) return missing(t, "there is no curl");
  for (const [what, { sent }] of Object.entries({ ...TAKEN, ...REFUSED })) {
    const url = await startRaw(t, [sent]);
    const { code, stdout } = await run(t, "curl", ["-sS", "--noproxy", "*", url]);
    if (code === 0 && stdout === "ok") t.true(what in TAKEN || CURL_ALONE.has(what), what);
  }
});
