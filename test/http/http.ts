import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer, connect as dial, type Socket } from "node:net";
import { setImmediate as immediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import test, { type ExecutionContext } from "ava";
import {
  createHttp,
  HttpFailure,
  type HttpResponse,
  neverSent,
  timedOut,
} from "../../src/http/http.ts";
import { allClosed, startApi } from "../helpers/api.ts";
import { type Certificate, createAuthority } from "../helpers/certificates.ts";
import { run } from "../helpers/child.ts";
import { until } from "../helpers/until.ts";

// Neither may have any effect.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.env.HTTP_PROXY = "http://127.0.0.1:1";
process.env.HTTPS_PROXY = "http://127.0.0.1:1";

const authority = createAuthority();

function open(t: ExecutionContext, options: { proxy?: string } = {}) {
  const http = createHttp(options);
  t.teardown(() => http.close());
  return http;
}

async function text({ body }: HttpResponse): Promise<string> {
  let all = "";
  for await (const chunk of body.setEncoding("utf8")) all += chunk;
  return all;
}

async function failure(t: ExecutionContext, promise: Promise<unknown>): Promise<HttpFailure> {
  return (await t.throwsAsync(promise, { instanceOf: HttpFailure }))!;
}

/** A bare TCP server: what it says is up to `talk`. */
async function startTcp(t: ExecutionContext, talk: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    talk(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { host: `127.0.0.1:${port}`, port, sockets };
}

const HINT = "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n";

test("a proxy that answers CONNECT with interim answers only is given up", async (t) => {
  const { host } = await startTcp(t, (socket) => {
    const pour = () => {
      while (!socket.destroyed && socket.write(HINT.repeat(100)));
    };
    socket.on("drain", pour).once("data", pour);
  });
  const http = open(t, { proxy: `http://${host}` });
  const { code, sent } = await failure(
    t,
    http({ method: "GET", url: "http://api.example/", headers: {} }),
  );
  t.deepEqual([code, sent], ["ERR_PROXY", false]);
});

test("sends what it is given, and brings back the answer untouched", async (t) => {
  const api = await startApi(t, (_, response) => {
    response.writeHead(
      302,
      "Over There",
      [
        ["location", "/elsewhere"],
        ["X-Twice", "a"],
        ["X-Twice", "b"],
        ["content-encoding", "gzip"],
      ].flat(),
    );
    response.end("not really gzip");
  });
  const http = open(t);
  const response = await http({
    method: "POST",
    url: `${api.origin}/a%20b?c=d`,
    headers: { "x-mine": "yes" },
    body: "höre",
  });
  t.is(response.status, 302);
  t.is(response.statusText, "Over There");
  t.is(response.headers.location, "/elsewhere");
  t.deepEqual(response.headers["x-twice"], ["a", "b"]);
  t.is(await text(response), "not really gzip");
  const [seen] = api.seen;
  t.is(seen?.method, "POST");
  t.is(seen?.url, "/a%20b?c=d");
  t.is(seen?.headers["x-mine"], "yes");
  t.is(seen?.body.toString(), "höre");
  t.is(api.seen.length, 1);
});

test("a kept-alive connection is used again", async (t) => {
  const api = await startApi(t, (_, response) => response.end("ok"));
  const http = open(t);
  for (let i = 0; i < 3; i++) {
    t.is(await text(await http({ method: "GET", url: api.origin, headers: {} })), "ok");
    await immediate();
  }
  t.is(api.connections, 1);
});

test("a name with an address that nobody listens at reaches the other one", async (t) => {
  const api = await startApi(t, (_, response) => response.end("ok"));
  const http = open(t);
  const url = `http://localhost:${api.port}/`;
  t.is(await text(await http({ method: "GET", url, headers: {} })), "ok");
});

test("a connection that the server closed while idle costs no request", async (t) => {
  const api = await startApi(t, (_, response) => response.end("ok"));
  const http = open(t);
  for (const method of ["GET", "POST", "POST"]) {
    t.is(await text(await http({ method, url: api.origin, headers: {} })), "ok");
    const [socket] = api.sockets;
    socket!.end();
    await allClosed(api);
    await immediate();
  }
  t.is(api.seen.length, 3);
});

test("what is safe is sent once more if the connection breaks unanswered, anything else is not", async (t) => {
  const breakFirst = () => {
    let count = 0;
    return startApi(t, (_, response) => {
      if (count++ === 0) response.socket!.destroy();
      else response.end("ok");
    });
  };
  const http = open(t);
  const [safe, unsafe] = [await breakFirst(), await breakFirst()];
  t.is(await text(await http({ method: "GET", url: safe.origin, headers: {} })), "ok");
  t.is(safe.seen.length, 2);
  const error = await failure(
    t,
    http({ method: "POST", url: unsafe.origin, headers: {}, body: "once", timeoutMs: 20_000 }),
  );
  t.false(neverSent(error));
  t.false(timedOut(error));
  t.is(unsafe.seen.length, 1);
});

test("a request for a fresh connection opens its own, and leaves none behind", async (t) => {
  const certificate = authority.issue("127.0.0.1");
  const [plain, secure] = [
    await startApi(t, (_, response) => response.end("ok")),
    await startApi(t, (_, response) => response.end("ok"), certificate),
  ];
  const http = open(t);
  for (const api of [plain, secure]) {
    const kept = { method: "GET", url: api.origin, headers: {}, ca: authority.ca };
    const fresh = { ...kept, freshConnection: true } as const;
    const connections: object[] = [];
    for (const request of [kept, fresh, fresh, kept]) {
      const response = await http(request);
      t.is(await text(response), "ok");
      t.is(response.reused, connections.length === 3);
      connections.push(response.connection);
      await immediate();
    }
    t.is(api.connections, 3);
    t.is(connections[3], connections[0]);
    t.is(new Set(connections).size, 3);
    t.deepEqual(
      api.seen.map(({ headers }) => headers.connection),
      ["keep-alive", "close", "close", "keep-alive"],
    );
    await until(() => api.sockets.size <= 1);
  }
});

test("a request for a fresh connection goes through the proxy on its own, too", async (t) => {
  const api = await startApi(t, (_, response) => response.end("ok"), authority.issue("api.test"));
  const { host, sockets } = await startTcp(t, (socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 Go Ahead\r\n\r\n");
      const target = dial(api.port, "127.0.0.1").on("error", () => socket.destroy());
      target.pipe(socket).pipe(target);
    });
  });
  const http = open(t, { proxy: `http://${host}` });
  const kept = { method: "GET", url: "https://api.test/", headers: {}, ca: authority.ca };
  const reused: boolean[] = [];
  for (const request of [kept, { ...kept, freshConnection: true } as const, kept]) {
    const response = await http(request);
    t.is(await text(response), "ok");
    reused.push(response.reused);
    await immediate();
  }
  t.deepEqual(reused, [false, false, true]);
  t.is(sockets.size, 2);
});

test("close ends a request on a fresh connection as well, and reconnect leaves it alone", async (t) => {
  const answers: ServerResponse[] = [];
  const api = await startApi(t, (_, response) => void answers.push(response));
  const http = createHttp();
  const request = { method: "GET", url: api.origin, headers: {}, freshConnection: true } as const;
  const first = http(request);
  await until(() => answers.length >= 1);
  http.reconnect();
  answers[0]!.end("ok");
  t.is(await text(await first), "ok");
  const second = failure(t, http(request));
  await until(() => answers.length >= 2);
  await http.close();
  t.false(neverSent(await second));
  await allClosed(api);
});

test("a fresh connection that does not come about: never sent, once", async (t) => {
  const { port } = await startTcp(t, () => {});
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const address = closed.address() as { port: number };
  closed.close();
  await once(closed, "close");
  t.not(port, address.port);
  const url = `http://127.0.0.1:${address.port}`;
  const error = await failure(
    t,
    open(t)({ method: "POST", url, headers: {}, freshConnection: true }),
  );
  t.is(error.code, "ECONNREFUSED");
  t.true(neverSent(error));
  t.false(error.reused);
});

/** A server that answers the first request of each connection, and ends the connection at the second, after having `said` something. */
function startForgetful(t: ExecutionContext, certificate?: Certificate, said = "") {
  const counts = new WeakMap<object, number>();
  return startApi(
    t,
    ({ url }, response) => {
      const count = (counts.get(response.socket!) ?? 0) + 1;
      counts.set(response.socket!, count);
      if (count === 1 && url !== "/never") return void response.end("ok");
      if (said === "") return void response.socket!.end();
      response.socket!.write(said, () => response.socket!.destroy());
    },
    certificate,
  );
}

test("a repeatable request that a kept-alive connection lost is sent once more, on a new one", async (t) => {
  for (const certificate of [undefined, authority.issue("127.0.0.1")]) {
    const api = await startForgetful(t, certificate);
    const http = open(t);
    const request = { method: "POST", url: api.origin, headers: {}, body: "x", ca: authority.ca };
    t.is(await text(await http(request)), "ok");
    await immediate();
    t.is(await text(await http({ ...request, repeatable: true, timeoutMs: 60_000 })), "ok");
    t.is(api.seen.length, 3);
    t.is(api.connections, 2);

    t.is(await text(await http(request)), "ok");
    await immediate();
    const error = await failure(t, http(request));
    t.true(error.reused && error.sent && !error.answered);
    t.is(api.seen.length, 5);
  }
});

test("a repeatable request is not repeated once a byte of its answer came, nor on a new connection", async (t) => {
  const talks = await startForgetful(t, undefined, "HTTP/1.1 20");
  const http = open(t);
  const request = { method: "POST", headers: {}, body: "x", repeatable: true } as const;
  t.is(await text(await http({ ...request, url: talks.origin })), "ok");
  await immediate();
  const error = await failure(t, http({ ...request, url: talks.origin }));
  t.true(error.reused && error.sent && error.answered);
  t.is(talks.seen.length, 2);

  const never = await startForgetful(t);
  const first = await failure(t, http({ ...request, url: `${never.origin}/never` }));
  t.true(!first.reused && first.sent && !first.answered);
  t.is(never.seen.length, 1);
});

test("a private authority is trusted where it is named, and nowhere else", async (t) => {
  const certificate = authority.issue("127.0.0.1");
  const api = await startApi(t, (_, response) => response.end("ok"), certificate);
  const http = open(t);
  const request = { method: "GET", url: api.origin, headers: {} };
  t.is(await text(await http({ ...request, ca: authority.ca })), "ok");
  for (const ca of [undefined, createAuthority().ca]) {
    const error = await failure(t, http({ ...request, ...(ca ? { ca } : {}) }));
    t.regex(error.code, /UNABLE_TO_VERIFY|SELF_SIGNED|CERT_SIGNATURE_FAILURE/);
    t.true(neverSent(error));
  }
  t.is(api.seen.length, 1);
});

test("a certificate for another name is refused", async (t) => {
  const api = await startApi(t, (_, response) => response.end(), authority.issue("other.test"));
  const http = open(t);
  for (let i = 0; i < 2; i++) {
    const request = { method: "GET", url: api.origin, headers: {}, ca: authority.ca };
    const error = await failure(t, http(request));
    t.is(error.code, "ERR_TLS_CERT_ALTNAME_INVALID");
    t.true(neverSent(error));
  }
  t.is(api.seen.length, 0);
});

test("a refused connection was certainly never sent", async (t) => {
  const { port } = await startTcp(t, () => {});
  const free = await startTcp(t, () => {});
  const http = open(t);
  // A port that was just given back.
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const address = closed.address() as { port: number };
  closed.close();
  await once(closed, "close");
  t.not(port, free.port);
  const error = await failure(
    t,
    http({ method: "POST", url: `http://127.0.0.1:${address.port}`, headers: {}, body: "x" }),
  );
  t.is(error.code, "ECONNREFUSED");
  t.is(error.syscall, "connect");
  t.true(neverSent(error));
});

test("a server that never finishes the handshake: time-out, never sent", async (t) => {
  const { host } = await startTcp(t, () => {});
  const http = open(t);
  const limits = [{ connectTimeoutMs: 50 }, { timeoutMs: 50 }];
  for (const limit of limits) {
    const error = await failure(
      t,
      http({ method: "POST", url: `https://${host}`, headers: {}, body: "x", ...limit }),
    );
    t.is(error.code, "UND_ERR_CONNECT_TIMEOUT");
    t.true(timedOut(error));
    t.true(neverSent(error));
  }
});

test("a server that takes the request and never answers: time-out, perhaps sent", async (t) => {
  const api = await startApi(t, (seen, response) => {
    if (seen.method === "GET") response.end();
  });
  const http = open(t);
  // Over a connection that is there already, so that a busy machine can't time out before it is.
  await text(await http({ method: "GET", url: api.origin, headers: {} }));
  await immediate();
  const error = await failure(
    t,
    http({ method: "POST", url: api.origin, headers: {}, body: "x", timeoutMs: 300 }),
  );
  t.true(timedOut(error));
  t.false(neverSent(error));
  await allClosed(api);
});

test("the caller's signal ends a request while it connects, waits, and is being answered", async (t) => {
  const { host } = await startTcp(t, () => {});
  const http = open(t);
  const connecting = new AbortController();
  const first = failure(
    t,
    http({ method: "GET", url: `https://${host}`, headers: {}, signal: connecting.signal }),
  );
  setTimeout(() => connecting.abort(), 20);
  t.true(neverSent(await first));

  const waiting = new AbortController();
  const api = await startApi(t, (seen, response) => {
    if (seen.url === "/wait") waiting.abort();
    else response.write("some");
  });
  const request = { method: "GET", headers: {} };
  const second = await failure(
    t,
    http({ ...request, url: `${api.origin}/wait`, signal: waiting.signal }),
  );
  t.false(neverSent(second));
  t.is(api.seen.length, 1);

  const answering = new AbortController();
  const response = await http({ ...request, url: api.origin, signal: answering.signal });
  await once(response.body, "readable");
  answering.abort();
  await t.throwsAsync(text(response), { instanceOf: HttpFailure, code: "ABORT_ERR" });
  await allClosed(api);

  const before = AbortSignal.abort();
  t.true(neverSent(await failure(t, http({ ...request, url: api.origin, signal: before }))));
});

test("an answer that breaks off is an error of its body", async (t) => {
  const api = await startApi(t, (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half");
    setTimeout(() => response.socket!.destroy(), 20);
  });
  const response = await open(t)({ method: "GET", url: api.origin, headers: {} });
  await t.throwsAsync(text(response), { instanceOf: HttpFailure });
});

test("a body that nobody reads any more does not end the process", async (t) => {
  const api = await startApi(t, (_, response) => {
    response.write("half");
    setTimeout(() => response.socket!.destroy(), 20);
  });
  const response = await open(t)({ method: "GET", url: api.origin, headers: {} });
  await new Promise((resolve) => response.body.once("close", resolve));
  t.true(response.body.destroyed);
});

test("nothing is read ahead of a slow reader", async (t) => {
  let written = 0;
  const api = await startApi(t, (_, response) => {
    const block = Buffer.alloc(64 * 1024);
    const more = () => {
      while (written < 64 * 1024 * 1024) {
        written += block.length;
        if (!response.write(block)) return response.once("drain", more);
      }
      return response.end();
    };
    more();
  });
  const response = await open(t)({ method: "GET", url: api.origin, headers: {} });
  await once(response.body, "readable");
  let before = -1;
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.true(written < 32 * 1024 * 1024, `${written} bytes were taken`);
  response.body.destroy();
});

test("a failure carries nothing of the answer", async (t) => {
  const { host } = await startTcp(t, (socket) => {
    socket.once("data", (request) => {
      const length = String(request).startsWith("GET /head") ? "sesame" : "6";
      socket.end(`HTTP/1.1 200 OK\r\nx: sesame\r\ncontent-length: ${length}\r\n\r\nses`);
    });
  });
  for (const path of ["head", "body"]) {
    const asked = open(t)({ method: "GET", url: `http://${host}/${path}`, headers: {} });
    const error = await failure(t, asked.then(text));
    t.notRegex(inspect(error, { depth: 9, showHidden: true }), /sesame/);
    t.is(error.cause, undefined);
  }
});

test("close ends what is under way and every connection", async (t) => {
  const api = await startApi(t, (seen, response) => {
    if (seen.url !== "/hang") response.end("ok");
  });
  const http = createHttp();
  const request = { method: "GET", headers: {} };
  const hanging = failure(t, http({ ...request, url: `${api.origin}/hang` }));
  await text(await http({ ...request, url: api.origin }));
  await until(() => api.seen.length >= 2);
  await http.close();
  await hanging;
  await allClosed(api);
  t.true(neverSent(await failure(t, http({ ...request, url: api.origin }))));
  await createHttp().close();
});

test("close ends what is only connecting", async (t) => {
  const api = await startApi(t, (_, response) => response.end("ok"));
  const request = { method: "GET", url: api.origin, headers: {} };
  for (const fresh of [{}, { freshConnection: true } as const]) {
    const http = createHttp();
    await text(await http({ ...request, url: `${api.origin}/first` }));
    // More than one, so that connections are opened for them.
    const asked = [1, 2, 3].map(() => failure(t, http({ ...request, ...fresh })));
    // Long enough to begin to connect, too short for more.
    for (let i = 0; i < 5; i++) await Promise.resolve();
    await http.close();
    await Promise.all(asked);
  }
  await allClosed(api);
});

test("undici is loaded with the first request, not before", async (t) => {
  const url = new URL("../../src/http/http.js", import.meta.url).href;
  const script = `
    import { createRequire } from "node:module";
    const { createHttp } = await import(${JSON.stringify(url)});
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((x) => x.includes("undici"));
    const http = createHttp();
    const before = loaded();
    await http({ method: "GET", url: "http://127.0.0.1:1", headers: {} }).catch(() => {});
    console.log(before, loaded());
    await http.close();`;
  const { stdout, stderr } = await run(t, process.execPath, ["--input-type=module", "-e", script], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
  t.is(stdout, "false true\n", stderr);
});

test("everything but loopback goes through the proxy, TLS up to the API", async (t) => {
  const api = await startApi(t, (_, response) => response.end("ok"), authority.issue("api.test"));
  const asked: string[] = [];
  const { host } = await startTcp(t, (socket) => {
    socket.once("data", (head: Buffer) => {
      asked.push(head.toString());
      socket.write("HTTP/1.1 200 Go Ahead\r\n\r\n");
      const target = dial(api.port, "127.0.0.1");
      target
        .on("error", () => socket.destroy())
        .pipe(socket)
        .pipe(target);
    });
  });
  const http = open(t, { proxy: `http://someone:open%20up@${host}` });
  const request = { method: "GET", headers: { authorization: "Bearer inside" }, ca: authority.ca };
  for (let i = 0; i < 2; i++) {
    t.is(await text(await http({ ...request, url: "https://api.test/path" })), "ok");
    await immediate();
  }
  t.is(asked.length, 1);
  t.regex(asked[0]!, /^CONNECT api\.test:443 HTTP\/1\.1\r\n/);
  t.regex(asked[0]!, /proxy-authorization: Basic c29tZW9uZTpvcGVuIHVw\r\n/i);
  t.notRegex(asked[0]!, /inside/);
  t.is(api.seen[0]?.headers["proxy-authorization"], undefined);

  const direct = await startApi(t, (_, response) => response.end("direct"));
  t.is(await text(await http({ method: "GET", url: direct.origin, headers: {} })), "direct");
  t.is(asked.length, 1);

  const wrong = await failure(t, http({ ...request, url: "https://other.test/" }));
  t.is(wrong.code, "ERR_TLS_CERT_ALTNAME_INVALID");
});

test("a cloud's metadata service is asked past the proxy, which would be told who the proxy is", async (t) => {
  const asked: string[] = [];
  const { host } = await startTcp(t, (socket) => {
    socket.once("data", (head: Buffer) => {
      asked.push(head.toString().split(" ")[1]!);
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    });
  });
  const http = open(t, { proxy: `http://${host}` });
  // Whether anybody answers there is no matter.
  const urls = ["http://169.254.1.1/", "http://[fd00:ec2::1]/", "http://169.254.1.1.api.test/"];
  for (const url of urls) {
    const request = { method: "GET", url, headers: {}, connectTimeoutMs: 100 };
    const response = await http(request).catch(() => undefined);
    response?.body.destroy();
  }
  t.deepEqual(asked, ["169.254.1.1.api.test:80"]);
});

test("a proxy that refuses or hangs up is asked once, and the request was never sent", async (t) => {
  let connections = 0;
  const refuses = await startTcp(t, (socket) => {
    connections++;
    socket.once("data", () => socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"));
  });
  const hangsUp = await startTcp(t, (socket) => {
    connections++;
    socket.once("data", () => socket.end());
  });
  for (const { host } of [refuses, hangsUp]) {
    connections = 0;
    const http = open(t, { proxy: `http://${host}` });
    const error = await failure(t, http({ method: "GET", url: "https://api.test/", headers: {} }));
    t.true(neverSent(error));
    t.is(connections, 1);
  }
});
