import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { createHttp } from "../../src/http/http.ts";
import { createIssuerSend, type IssuerSendOptions } from "../../src/http/issuer.ts";
import { startApi } from "../helpers/api.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { until } from "../helpers/until.ts";

function sender(t: ExecutionContext, options: Partial<IssuerSendOptions> = {}) {
  const http = createHttp();
  t.teardown(() => http.close());
  return createIssuerSend({ http, credential: "demo", allowInsecureHttp: false, ...options });
}

async function failure(t: ExecutionContext, attempt: Promise<unknown>): Promise<AuthdError> {
  const error = (await t.throwsAsync(attempt, { instanceOf: AuthdError }))!;
  t.is(error.credential, "demo");
  t.regex(error.message, /"demo"/);
  t.is(error.cause, undefined);
  return error;
}

const get = (url: string) => ({ method: "GET", url, headers: {} });

test("the whole answer: status, headers in lower case, text without a byte order mark", async (t) => {
  const headers = { "X-Token": "abc", "set-cookie": "a=1" };
  const issuer = await startIssuer(t, { status: 201, headers, body: "\ufeffgrüße" });
  const response = await sender(t)({
    method: "POST",
    url: issuer.url,
    headers: { "content-type": "text/plain" },
    body: "hello",
  });
  t.is(response.status, 201);
  t.is(response.headers["x-token"], "abc");
  t.is(response.text, "grüße");
  t.is(issuer.requests[0]!.body, "hello");
});

test("compressed answers are decoded: gzip, deflate with and without its wrapper, br, and two at once", async (t) => {
  const text = '{"access_token":"abc"}';
  const cases: [string, Buffer][] = [
    ["gzip", gzipSync(text)],
    ["X-GZip", gzipSync(text)],
    ["deflate", deflateSync(text)],
    ["deflate", deflateRawSync(text)],
    ["br", brotliCompressSync(text)],
    ["gzip, br", brotliCompressSync(gzipSync(text))],
    ["identity", Buffer.from(text)],
  ];
  for (const [encoding, body] of cases) {
    const issuer = await startIssuer(t, { body, headers: { "content-encoding": encoding } });
    t.is((await sender(t)(get(issuer.url))).text, text, encoding);
  }
});

test("broken and unknown compression is an answer that can't be used", async (t) => {
  for (const encoding of ["gzip", "br", "zstd", "constructor", "practice-secret"]) {
    const headers = { "content-encoding": encoding };
    const issuer = await startIssuer(t, { body: Buffer.from("plain text\xff", "latin1"), headers });
    const error = await failure(t, sender(t)(get(issuer.url)));
    t.is(error.reason, "issuer_unavailable");
    t.deepEqual(error.contact, { sent: true, answered: false });
    t.notRegex(error.message, /practice/, "what it was sent is not shown");
  }
});

test("an unknown compression of readable text is none", async (t) => {
  for (const encoding of ["utf-8", "none", "UTF-8, identity", "constructor"]) {
    const headers = { "content-encoding": encoding };
    const issuer = await startIssuer(t, { body: '{"access_token":"grün"}', headers });
    t.is((await sender(t)(get(issuer.url))).text, '{"access_token":"grün"}', encoding);
  }
});

test("an endless answer is cut off, and its connection closed", async (t) => {
  const connection = new EventEmitter();
  const closed = once(connection, "close");
  const issuer = await startIssuer(t, (_, response) => {
    response.on("close", () => connection.emit("close"));
    const chunk = Buffer.alloc(64 * 1024, "x");
    const pour = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", pour);
    pour();
  });
  const error = await failure(t, sender(t)(get(issuer.url)));
  t.is(error.reason, "issuer_unavailable");
  t.regex(error.message, /more than 1024 KiB/);
  t.deepEqual(error.contact, { sent: true, answered: false });
  await closed;
});

test("an answer that is small but unpacks to gigabytes is cut off", async (t) => {
  const body = gzipSync(Buffer.alloc(8 * 1024 * 1024));
  const issuer = await startIssuer(t, { body, headers: { "content-encoding": "gzip" } });
  const error = await failure(t, sender(t)(get(issuer.url)));
  t.regex(error.message, /more than 1024 KiB/);
});

test("more than five codings are refused before any is undone, and what they unpack counts together", async (t) => {
  const layers = (count: number, body: Buffer) => {
    let bytes = body;
    for (let i = 0; i < count; i++) bytes = gzipSync(bytes);
    return { body: bytes, headers: { "content-encoding": Array(count).fill("gzip").join(", ") } };
  };
  const text = Buffer.from('{"access_token":"abc"}');
  const five = await startIssuer(t, layers(5, text));
  t.is((await sender(t)(get(five.url))).text, text.toString());
  for (const count of [6, 3_100]) {
    // Not what it says: no byte of it is looked at.
    const headers = { "content-encoding": Array(count).fill("br").join(",") };
    const issuer = await startIssuer(t, { body: text, headers });
    const error = await failure(t, sender(t)(get(issuer.url)));
    t.is(error.reason, "issuer_unavailable");
    t.regex(error.message, new RegExp(`in ${count} content codings .* 5 at most`));
  }
  // Each of the steps stays below the limit, all of them together do not.
  const noise = layers(2, randomBytes(600 * 1024));
  const issuer = await startIssuer(t, noise);
  t.regex((await failure(t, sender(t)(get(issuer.url)))).message, /more than 1024 KiB/);
});

test("interim answers without an end are an answer that never comes", async (t) => {
  const issuer = await startIssuer(t, (_, response) => {
    const hint = "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n".repeat(1000);
    const pour = () => {
      while (response.socket && !response.socket.destroyed && response.socket.write(hint));
    };
    response.socket?.on("drain", pour).on("error", () => {});
    pour();
  });
  const error = await failure(t, sender(t)(get(issuer.url)));
  t.regex(error.message, /one interim answer \(1xx\) after another/);
  t.deepEqual(error.contact, { sent: true, answered: false });
});

test("an issuer that never answers, or never ends its answer, is given up", async (t) => {
  const silent = await startIssuer(t, () => undefined);
  const halfway = await startIssuer(t, (_, response) => {
    response.write('{"access_');
  });
  for (const { url, requests } of [silent, halfway]) {
    const clock = new FakeClock();
    const pending = failure(t, sender(t, { timeoutMs: 200, clock })(get(url)));
    await until(() => requests.length === 1);
    clock.advance(200);
    const error = await pending;
    t.is(error.reason, "issuer_unavailable");
    t.regex(error.message, /did not answer completely within 0.2 s/);
    t.deepEqual(error.contact, { sent: true, answered: false });
  }
});

test("an issuer that hangs up is sent but unanswered", async (t) => {
  const before = await startIssuer(t, (_, response) => void response.socket?.destroy());
  const within = await startIssuer(t, (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("{", () => response.socket?.destroy());
  });
  for (const { url } of [before, within]) {
    const error = await failure(t, sender(t)({ ...get(url), method: "POST" }));
    t.is(error.reason, "issuer_unavailable");
    t.deepEqual(error.contact, { sent: true, answered: false });
    t.regex(error.message, /broke before its answer was complete/);
  }
});

test("a redirect is not followed: its origin alone is named", async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const location = "https://elsewhere.example/login?client_secret=s3cret";
    const issuer = await startIssuer(t, { status, headers: { location } });
    const error = await failure(t, sender(t)(get(issuer.url)));
    t.is(error.reason, "issuer_unavailable");
    t.deepEqual(error.contact, { sent: true, answered: true, lasting: true });
    t.regex(error.message, /redirects to https:\/\/elsewhere\.example,/);
    t.false(error.message.includes("s3cret"));
    t.is(issuer.requests.length, 1);
  }
});

test("a redirect within the host names the whole address, without its query", async (t) => {
  const location = "/new/token?client_secret=s3cret";
  const issuer = await startIssuer(t, { status: 308, headers: { location } });
  const at = { ...get(issuer.url), urlKey: "token_url" };
  const error = await failure(t, sender(t)(at));
  const address = `${issuer.origin}/new/token`;
  t.true(error.message.includes(`redirects to ${address}, where`), error.message);
  t.regex(error.message, /into token_url/);
  t.false(error.message.includes("s3cret"));
  issuer.answer({ status: 308, headers: { location: "/for/s3cret-session" } });
  const hidden = await failure(t, sender(t)({ ...at, hidden: ["s3cret-session"] }));
  t.false(hidden.message.includes("s3cret-session"));
});

test("nobody listens: nothing was sent", async (t) => {
  const error = await failure(t, sender(t)(get("http://127.0.0.1:1/token")));
  t.deepEqual(error.contact, { sent: false, answered: false });
  t.regex(error.message, /nothing answers at 127\.0\.0\.1:1: .* \(ECONNREFUSED\)\.$/);
});

test("a name that does not exist: nothing was sent", async (t) => {
  const error = await failure(t, sender(t)(get("https://issuer.invalid/token")));
  t.is(error.reason, "issuer_unavailable");
  t.deepEqual(error.contact, { sent: false, answered: false, unknownHost: true });
  t.regex(error.message, /issuer\.invalid/);
});

test("https to a port that speaks http: nothing was sent", async (t) => {
  const issuer = await startIssuer(t, {});
  const error = await failure(t, sender(t)(get(issuer.url.replace("http:", "https:"))));
  t.deepEqual(error.contact, { sent: false, answered: false });
  t.regex(
    error.message,
    /does not speak https there, perhaps http: .* begin the address with http:/,
  );
});

test("a certificate of a private authority: ca_file is what it takes", async (t) => {
  const authority = createAuthority();
  const tls = authority.issue("localhost", "127.0.0.1");
  const api = await startApi(t, (_, response) => response.end("hello"), tls);
  const error = await failure(t, sender(t)(get(api.origin)));
  t.deepEqual(error.contact, { sent: false, answered: false });
  t.regex(error.message, /ca_file/);
  t.is((await sender(t, { ca: authority.ca })(get(api.origin))).text, "hello");
});

test("secrets never go over plain http beyond this machine, unless that is allowed", async (t) => {
  const error = await failure(t, sender(t)(get("http://issuer.invalid/token?key=s3cret")));
  t.is(error.reason, "credential_rejected");
  t.deepEqual(error.contact, { sent: false, answered: false });
  t.false(error.message.includes("s3cret"));
  const allowed = sender(t, { allowInsecureHttp: true })(get("http://issuer.invalid/token"));
  t.is((await failure(t, allowed)).reason, "issuer_unavailable");
});

test("a metadata service is asked over plain http only if no server has named it", async (t) => {
  const url = "http://169.254.0.1/token";
  const named = await failure(t, sender(t)(get(url)));
  t.is(named.reason, "credential_rejected");
  const own = sender(t, { isOwnAddress: true, timeoutMs: 1 });
  t.is((await failure(t, own(get(url)))).reason, "issuer_unavailable");
  t.is((await failure(t, own(get("http://issuer.invalid/")))).reason, "credential_rejected");
});

test("a URL with a password, of another scheme, or none at all is refused without being shown", async (t) => {
  for (const url of ["https://me:s3cret@issuer.invalid/", "file:///etc/s3cret", "s3cret", ""]) {
    const error = await failure(t, sender(t)(get(url)));
    t.is(error.reason, "credential_rejected");
    t.false(error.message.includes("s3cret"));
  }
});

test("an abort from outside ends it at once", async (t) => {
  const controller = new AbortController();
  const issuer = await startIssuer(t, () => void controller.abort());
  const send = sender(t, { signal: controller.signal });
  const error = await failure(t, send(get(issuer.url)));
  t.deepEqual(error.contact, { sent: true, answered: false });
  const again = await failure(t, send(get(issuer.url)));
  t.regex(again.message, /interrupted/);
  t.deepEqual(again.contact, { sent: false, answered: false });
  t.is(issuer.requests.length, 1);
});
