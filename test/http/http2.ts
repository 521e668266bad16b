/** Reaches servers that speak nothing but HTTP/2, and uses HTTP/1.1 with all others. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, connect as dial, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { createHttp, HttpFailure, type HttpResponse } from "../../src/http/http.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { until } from "../helpers/until.ts";

const authority = createAuthority();

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer) => void;

interface Http2Server {
  port: number;
  url: string;
  sessions: Set<Http2Session>;
  sockets: Set<Socket>;
  /** Sessions since the start. */
  opened: number;
  /** Requests by HTTP/1.1. */
  old: number;
}

async function startHttp2(
  t: ExecutionContext,
  answer: Answer,
  { allowHTTP1 = false } = {},
): Promise<Http2Server> {
  const certificate = authority.issue("127.0.0.1", "api.test");
  const server: Http2SecureServer = createSecureServer({ ...certificate, allowHTTP1 });
  const sockets = new Set<Socket>();
  const about: Http2Server = {
    port: 0,
    url: "",
    sessions: new Set(),
    sockets,
    opened: 0,
    old: 0,
  };
  server.on("connection", (socket: Socket) => void sockets.add(socket.on("error", () => {})));
  server.on("session", (session) => {
    about.opened++;
    about.sessions.add(session);
    session.on("error", () => {}).once("close", () => about.sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    const parts: Buffer[] = [];
    stream.on("error", () => {}).on("data", (part: Buffer) => parts.push(part));
    stream.once("end", () => answer(stream, headers, Buffer.concat(parts)));
  });
  server.on("request", ({ httpVersionMajor }, response) => {
    if (httpVersionMajor !== 1) return;
    about.old++;
    response.end("old");
  });
  server.on("tlsClientError", () => {}).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  about.port = (server.address() as AddressInfo).port;
  about.url = `https://127.0.0.1:${about.port}/token?x=1`;
  return about;
}

function open(t: ExecutionContext, options: { proxy?: string } = {}) {
  const http = createHttp(options);
  t.teardown(() => http.close());
  return http;
}

async function bytes({ body }: HttpResponse): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

const echo: Answer = (stream, headers, body) => {
  const seen = `${headers[":method"]} ${headers[":path"]} ${headers.authorization}`;
  stream.respond({ ":status": 201, "x-seen": seen, "set-cookie": ["a=1", "b=2"] });
  stream.end(body);
};

test("a server of HTTP/2 alone answers as any other", async (t) => {
  const server = await startHttp2(t, echo);
  const http = open(t);
  const request = { url: server.url, headers: { authorization: "Bearer x" }, ca: authority.ca };
  const body = Buffer.alloc(2 * 1024 * 1024, "authd");
  const fresh = { freshConnection: true } as const;
  async function* parts() {
    for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536);
  }
  for (const [about, sent] of [
    [{ body }, body],
    [{ body, ...fresh }, body],
    [{ body: parts(), ...fresh }, body],
    [{}, Buffer.alloc(0)],
  ] as const) {
    const response = await http({ method: "POST", ...request, ...about });
    t.is(response.status, 201);
    t.is(response.headers["x-seen"], "POST /token?x=1 Bearer x");
    t.deepEqual(response.headers["set-cookie"], ["a=1", "b=2"]);
    t.is(sent.compare(await bytes(response)), 0);
  }
  t.is(server.opened, 3);
  await until(() => server.sessions.size === 1);
});

test("one request at a time is on a connection; the next takes it over", async (t) => {
  const waiting: ServerHttp2Stream[] = [];
  const server = await startHttp2(t, (stream) => void waiting.push(stream));
  const http = open(t);
  const request = { method: "POST", url: server.url, headers: {}, ca: authority.ca };
  const both = [http(request), http(request)];
  await until(() => waiting.length === 2);
  t.is(server.opened, 2);
  for (const stream of waiting.splice(0)) {
    stream.respond({ ":status": 200 });
    stream.end("ok");
  }
  for (const response of await Promise.all(both)) {
    t.false(response.reused);
    t.is(String(await bytes(response)), "ok");
  }
  const next = http(request);
  await until(() => waiting.length === 1);
  waiting[0]!.respond({ ":status": 200 }, { endStream: true });
  t.true((await next).reused);
  t.is(server.opened, 2);
});

test("a request that the server breaks off is not sent again by itself", async (t) => {
  let count = 0;
  const endings: readonly ((stream: ServerHttp2Stream) => void)[] = [
    (stream) => stream.close(8),
    (stream) => stream.close(2),
    (stream) => stream.session!.goaway(0),
    (stream) => stream.session!.destroy(),
    () => [...server.sockets].at(-1)!.resetAndDestroy(),
  ];
  const server = await startHttp2(t, (stream) => endings[count++]!(stream));
  const http = open(t);
  for (let i = 0; i < endings.length; i++) {
    const asked = http({
      method: "POST",
      url: server.url,
      headers: {},
      body: "x",
      ca: authority.ca,
    });
    const error = (await t.throwsAsync(asked, { instanceOf: HttpFailure }))!;
    t.true(error.sent, String(i));
    t.is(count, i + 1);
  }
});

test("a request that is taken back ends its stream, and interim answers are skipped", async (t) => {
  let ended = 0;
  const server = await startHttp2(t, (stream, { ":path": path }) => {
    stream.once("close", () => ended++);
    if (path === "/hang") return;
    for (let i = 0; i < 50; i++) stream.additionalHeaders({ ":status": 103, link: "<a>" });
    stream.respond({ ":status": 200 });
    stream.end("ok");
  });
  const http = open(t);
  const request = { method: "GET", headers: {}, ca: authority.ca };
  t.is(String(await bytes(await http({ ...request, url: server.url }))), "ok");
  const url = new URL("/hang", server.url).href;
  const late = http({ ...request, url, timeoutMs: 300 });
  t.is((await t.throwsAsync(late, { instanceOf: HttpFailure }))?.code, "UND_ERR_HEADERS_TIMEOUT");
  const controller = new AbortController();
  const asked = http({ ...request, url, signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  t.is((await t.throwsAsync(asked, { instanceOf: HttpFailure }))?.code, "ABORT_ERR");
  await until(() => ended >= 2);
});

test("a server that speaks both is asked by HTTP/1.1", async (t) => {
  const server = await startHttp2(t, echo, { allowHTTP1: true });
  const response = await open(t)({ method: "GET", url: server.url, headers: {}, ca: authority.ca });
  t.is(String(await bytes(response)), "old");
  t.is(server.old, 1);
});

test("the certificate of a server of HTTP/2 alone is verified as any other", async (t) => {
  const server = await startHttp2(t, echo);
  const other = createAuthority().ca;
  for (const ca of [{}, { ca: other }]) {
    const asked = open(t)({ method: "GET", url: server.url, headers: {}, ...ca });
    const error = (await t.throwsAsync(asked, { instanceOf: HttpFailure }))!;
    t.false(error.sent);
    t.regex(error.code, /UNABLE_TO_VERIFY|SELF_SIGNED|CERT_SIGNATURE_FAILURE/);
  }
});

test("a server of HTTP/2 alone is reached through the proxy, too", async (t) => {
  const server = await startHttp2(t, echo);
  const targets: string[] = [];
  const proxy = createServer().on("connect", ({ url }: IncomingMessage, socket: Socket) => {
    targets.push(url ?? "");
    const target = dial(server.port, "127.0.0.1").on("error", () => socket.destroy());
    socket.on("error", () => target.destroy()).write("HTTP/1.1 200 Go Ahead\r\n\r\n");
    target.pipe(socket).pipe(target);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.teardown(() => void proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const http = open(t, { proxy: `http://127.0.0.1:${port}` });
  const url = `https://api.test:${server.port}/`;
  const response = await http({ method: "GET", url, headers: {}, ca: authority.ca });
  t.is(response.status, 201);
  t.is((await bytes(response)).length, 0);
  t.deepEqual(targets, Array(2).fill(`api.test:${server.port}`));
});
