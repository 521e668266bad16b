/** An API or an issuer that sends too much, or nearly nothing, for ever. */
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import type { ExecutionContext } from "ava";
import { startApi } from "../helpers/api.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { RawClient } from "../helpers/wire.ts";

const MIB = 2 ** 20;
const zeros = Buffer.alloc(64 * MIB);
/** Members of gzip may follow one another: 64 MiB each, 10 GB in all. */
const GZIP = Buffer.concat(Array<Buffer>(160).fill(gzipSync(zeros)));
const BOMBS: Readonly<Record<string, Buffer>> = {
  gzip: GZIP,
  br: brotliCompressSync(zeros),
  deflate: deflateSync(zeros),
  "gzip, gzip": gzipSync(GZIP),
  "br, gzip": gzipSync(brotliCompressSync(zeros)),
};

async function ask(client: RawClient, method: string, params: object) {
  client.request("one", method, params);
  let answer = await client.next();
  while (answer && answer.id !== "one") answer = await client.next();
  return answer ?? {};
}

/** Most memory (MiB) that the daemon has had. */
function peak({ pid }: Daemon): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

async function addFixed(client: RawClient, origin: string) {
  const secrets = { token: "practice-token" };
  const given = { name: "fixed", grant: "static", settings: { origins: [origin] }, secrets };
  return await ask(client, "credentials/add", given);
}

const viaIssuer = (token_url: string, name = "mine") => {
  const settings = { token_url, client_id: "me" };
  const secrets = { client_secret: "practice" };
  return { name, grant: "client_credentials", settings, secrets, replace: true };
};

onLinux(
  "answers that unpack to gigabytes: cut off, whole or streamed, in bounded memory",
  async (t) => {
    const api = await startApi(t, ({ url }, response) => {
      const coding = decodeURIComponent(url.slice(1));
      response.on("error", () => {});
      response.writeHead(200, { "content-encoding": coding, "content-type": "application/json" });
      response.end(BOMBS[coding]);
    });
    const daemon = await startDaemon(t);
    const client = await RawClient.open(t, daemon.socket);
    t.is((await addFixed(client, api.origin)).error, undefined);
    const before = peak(daemon);
    for (const coding of Object.keys(BOMBS)) {
      const url = `${api.origin}/${encodeURIComponent(coding)}`;
      const { error } = await ask(client, "authorizedRequest", { credential: "fixed", url });
      t.is(error?.data.reason, "response_too_large", coding);
      const { result } = await ask(client, "credentials/add", viaIssuer(url));
      t.like(result?.lastError, { reason: "issuer_unavailable" }, coding);
    }
    // Streamed it is the client's own: who does not read is not sent more.
    const slow = await RawClient.open(t, daemon.socket);
    slow.socket.pause();
    slow.request(1, "authorizedRequest", {
      credential: "fixed",
      url: `${api.origin}/gzip`,
      stream: true,
    });
    for (let i = 0; i < 20; i++) await ask(client, "getToken", { credential: "fixed" });
    t.true(peak(daemon) - before < 150, `${before} to ${peak(daemon)} MiB`);
  },
);

/** Sends what `script` says, to whoever connects. */
async function rawServer(t: ExecutionContext, script: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {}).once("data", () => script(socket));
    t.teardown(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** Writes the same until it can't be written any more. */
function flood(socket: Socket, start: string, chunk: string): void {
  socket.write(start);
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", more);
  more();
}

const HEAD = "HTTP/1.1 200 OK\r\n";
const KIB64 = "x".repeat(65_536);
const FLOODS: Readonly<Record<string, (socket: Socket) => void>> = {
  "a header without an end": (socket) => flood(socket, `${HEAD}x-a: `, KIB64),
  "headers without an end": (socket) => flood(socket, HEAD, "x-a: b\r\n".repeat(8_192)),
  "a status line without an end": (socket) => flood(socket, "HTTP/1.1 200 ", KIB64),
  "a chunk extension without an end": (socket) =>
    flood(socket, `${HEAD}transfer-encoding: chunked\r\n\r\n1;a=`, KIB64),
  "trailers without an end": (socket) =>
    flood(socket, `${HEAD}transfer-encoding: chunked\r\n\r\n0\r\n`, "x-a: b\r\n".repeat(8_192)),
  "interim answers without an end": (socket) =>
    flood(socket, "", "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n".repeat(1_000)),
  "a body without an end": (socket) => flood(socket, `${HEAD}\r\n`, KIB64),
  "a header, a byte at a time": (socket) => trickle(socket, `${HEAD}x-a: `),
  "a body, a byte at a time": (socket) => trickle(socket, `${HEAD}content-length: 1000\r\n\r\n`),
};

function trickle(socket: Socket, start: string): void {
  socket.write(start);
  const timer = setInterval(() => socket.write("a"), 50);
  socket.once("close", () => clearInterval(timer));
}

onLinux("floods and trickles end in time and in bounded memory, and disturb nobody", async (t) => {
  const daemon = await startDaemon(t);
  const client = await RawClient.open(t, daemon.socket);
  const before = peak(daemon);
  const attacks = Object.entries(FLOODS).map(async ([what, script], index) => {
    const origin = await rawServer(t, script);
    const own = await RawClient.open(t, daemon.socket);
    const name = `api${index}`;
    const settings = { origins: [origin] };
    const given = { name, grant: "static", settings, secrets: { token: "practice" } };
    t.is((await ask(own, "credentials/add", given)).error, undefined);
    const sent = { credential: name, url: origin, timeoutMs: 2_000 };
    const { error } = await ask(own, "authorizedRequest", sent);
    t.regex(error?.data.reason ?? "none", /^(timeout|request_failed|response_too_large)$/, what);
    const { result } = await ask(own, "credentials/add", viaIssuer(origin, `by${index}`));
    t.like(result?.lastError, { reason: "issuer_unavailable" }, what);
  });
  const all = Promise.all(attacks).then(() => true);
  const fixed = { name: "fixed", grant: "static", settings: {}, secrets: { token: "practice" } };
  t.is((await ask(client, "credentials/add", fixed)).error, undefined);
  let answered = 0;
  while (!(await Promise.race([all, new Promise((resolve) => setTimeout(resolve, 50, false))]))) {
    t.truthy((await ask(client, "getToken", { credential: "fixed" })).result);
    answered++;
  }
  t.true(answered > 5);
  t.true(peak(daemon) - before < 150, `${before} to ${peak(daemon)} MiB`);
});
