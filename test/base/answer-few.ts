import { once } from "node:events";
import { createServer, get } from "node:http";
import { type AddressInfo, connect } from "node:net";
import test, { type ExecutionContext } from "ava";
import { answerFew } from "../../src/base/answer-few.ts";
import { until } from "../helpers/until.ts";

/** A server of three connections, whose answers are as long as wished, and wait for `release` if asked for `/held`. */
async function setup(t: ExecutionContext, answer = "ok") {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked = 0;
  const server = createServer();
  answerFew(server, 3, async ({ url }, response) => {
    asked++;
    if (url === "/held") await held;
    response.writeHead(200, { connection: "close" }).end(answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  /** Connects, and sends this. */
  const open = async (text = "") => {
    const socket = connect(port, "127.0.0.1");
    t.teardown(() => socket.destroy());
    socket.on("error", () => {});
    socket.write(text);
    await once(socket, "connect");
    return socket;
  };
  const status = async () => {
    const [response] = await once(get({ port, host: "127.0.0.1", agent: false }), "response");
    response.resume();
    return response.statusCode;
  };
  return { open, status, release, asked: () => asked };
}

const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

test("connections that do nothing, or send half a request, keep nobody out: the oldest end", async (t) => {
  const { open, status } = await setup(t);
  const idle = [await open(), await open("GET / HT"), await open()];
  t.is(await status(), 200);
  await until(() => idle[0]!.closed);
  t.deepEqual(
    idle.map(({ closed }) => closed),
    [true, false, false],
  );
  for (let i = 0; i < 20; i++) await open("GET");
  t.is(await status(), 200);
});

test("nor do those that do not take their answers", async (t) => {
  // More than the system buffers.
  const { open, status, asked } = await setup(t, "x".repeat(50_000_000));
  for (let i = 0; i < 3; i++) (await open(ask("/"))).pause();
  await until(() => asked() === 3);
  t.is(await status(), 200);
});

test("a request that is being answered is left alone", async (t) => {
  const { open, release, asked } = await setup(t);
  const busy = [await open(ask("/held")), await open(ask("/held")), await open(ask("/held"))];
  await until(() => asked() === 3);
  const newest = await open();
  newest.resume();
  await until(() => newest.closed);
  release();
  for (const socket of busy) t.regex((await socket.toArray()).join(""), /200 OK/);
});
