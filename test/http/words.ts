/** Says in words of its own what is wrong with an address, a proxy or a server, to whoever asks an issuer or an API. */
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { createHttp } from "../../src/http/http.ts";
import { createIssuerSend } from "../../src/http/issuer.ts";
import { toRequestError } from "../../src/request/request-error.ts";
import { createAuthority } from "../helpers/certificates.ts";

const authority = createAuthority();

async function listen(t: ExecutionContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket.on("error", () => {})));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A server that says `text` to whatever it is told. */
function saying(text: string): Server {
  return createServer((socket) => {
    socket.once("data", () => socket.end(Buffer.from(text, "latin1")));
  });
}

/** Returns what is said of one address: to who wants a token, and to who asks the API. */
async function said(t: ExecutionContext, url: string, proxy?: string): Promise<string[]> {
  const http = createHttp(proxy === undefined ? {} : { proxy });
  t.teardown(() => http.close());
  const send = createIssuerSend({
    ...{ http, credential: "demo", allowInsecureHttp: true, ca: authority.ca },
  });
  const request = { method: "POST", url, headers: {}, body: "x" };
  const issuer = (await t.throwsAsync(send(request), { instanceOf: AuthdError }))!;
  t.is(issuer.reason, "issuer_unavailable");
  t.true(issuer.message.startsWith(`"demo" got no token from ${new URL(url).host}/token: `));
  const error = await http({ ...request, ca: authority.ca }).catch((failure) => failure);
  const { signal } = new AbortController();
  const about = { credential: "demo", url: new URL(url), signal, timeoutMs: 1, maxBytes: 1 };
  const api = toRequestError(error, { ...about, method: "POST" });
  t.is(api.reason, "request_failed");
  return [issuer.message, api.message];
}

test("https to a server of http", async (t) => {
  for (const server of [
    createHttpServer((_, response) => response.end()),
    saying("HTTP/1.1 400 Bad Request\r\n\r\n"),
  ]) {
    const port = await listen(t, server);
    for (const message of await said(t, `https://127.0.0.1:${port}/token`)) {
      t.regex(message, /does not speak https there, perhaps http: .*http:\/\//);
    }
  }
});

test("http to a server of https", async (t) => {
  const certificate = authority.issue("127.0.0.1");
  const silent = await listen(t, createTlsServer(certificate));
  const alert = await listen(t, saying("\x15\x03\x01\0\x02\x02\x46"));
  for (const port of [silent, alert]) {
    for (const message of await said(t, `http://127.0.0.1:${port}/token`)) {
      t.regex(message, /speaks https[:,] begin the address with https:\/\//);
    }
  }
});

test("HTTP/2 without TLS", async (t) => {
  const port = await listen(t, createHttp2Server());
  for (const message of await said(t, `http://127.0.0.1:${port}/token`)) {
    t.regex(message, /speaks HTTP\/2 without having agreed on it/);
  }
});

const PROXIES: readonly (readonly [string, RegExp])[] = [
  [
    "407 Proxy Authentication Required",
    /wants a user and a password .*407.*http:\/\/USER:PASSWORD@/,
  ],
  ["403 Forbidden", /lets nobody, .* through to api\.test .*403/],
  ["405 Method Not Allowed", /lets nobody, .* through to api\.test .*405/],
  ["502 Bad Gateway", /the proxy itself can't reach api\.test .*502/],
  ["504 Gateway Timeout", /the proxy itself can't reach api\.test .*504/],
  [
    "302 Found",
    /the proxy made no way to api\.test \(it answers 302\): check proxy in config\.toml/,
  ],
];

for (const [status, words] of PROXIES) {
  test(`a proxy that answers ${status}`, async (t) => {
    const port = await listen(t, saying(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`));
    for (const url of ["https://api.test/token", "http://api.test/token"]) {
      for (const message of await said(t, url, `http://127.0.0.1:${port}`)) {
        t.regex(message, words);
        t.notRegex(message, /Whether the request took effect/);
      }
    }
  });
}

test("a proxy that is not there, hangs up, or is no proxy", async (t) => {
  const hangsUp = await listen(
    t,
    createServer((socket) => socket.once("data", () => socket.end())),
  );
  const talks = await listen(t, saying("220 mail.example ESMTP\r\n"));
  for (const port of [1, hangsUp, talks]) {
    for (const message of await said(t, "https://api.test/token", `http://127.0.0.1:${port}`)) {
      t.regex(message, /the proxy made no way to api\.test \(.+\): check proxy in config\.toml/);
      t.notRegex(message, /nothing answers at api\.test/);
    }
  }
});

const ANSWERS: readonly (readonly [string, RegExp])[] = [
  ["220 mail.example ESMTP\r\n\r\n", /answers, but not in HTTP: check the port/],
  [
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    /does not say for certain where it ends \(Content-Length\)/,
  ],
  [`HTTP/1.1 200 OK\r\nx: ${"a".repeat(70_000)}\r\n\r\nok`, /over 64 KiB of headers/],
  ["HTTP/1.1 101 Switching\r\n\r\n", /switched to another protocol/],
];

for (const [answer, words] of ANSWERS) {
  test(`an answer with the words ${words.source}`, async (t) => {
    const port = await listen(t, saying(answer));
    for (const message of await said(t, `http://127.0.0.1:${port}/token`)) {
      t.regex(message, words);
      t.notRegex(message, /perhaps http|begin the address/);
    }
  });
}

test("a parser's complaint is told by its reason, and nothing else of the answer", async (t) => {
  const chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nsesame\r\n";
  const port = await listen(t, saying(chunks));
  const http = createHttp();
  t.teardown(() => http.close());
  const send = createIssuerSend({ http, credential: "demo", allowInsecureHttp: false });
  const asked = send({ method: "GET", url: `http://127.0.0.1:${port}/token`, headers: {} });
  const { message } = (await t.throwsAsync(asked, { instanceOf: AuthdError }))!;
  t.regex(message, /breaks the rules of HTTP \("Invalid character in chunk size"\)/);
  t.false(message.includes("sesame"));
});
