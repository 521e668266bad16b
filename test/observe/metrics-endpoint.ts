import { once } from "node:events";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { MetricsEndpoint } from "../../src/observe/metrics-endpoint.ts";
import { freePort } from "../helpers/port.ts";

async function setup(t: ExecutionContext, port: number, text = async () => "up 1\n") {
  const errors: string[] = [];
  const quiet = () => {};
  const endpoint = new MetricsEndpoint({
    ...{ host: "127.0.0.1", port, contentType: "text/plain; version=0.0.4", text },
    health: () => ({ ready: true, checks: [] }),
    log: { debug: quiet, info: quiet, warn: quiet, error: (_, said) => void errors.push(said) },
  });
  t.teardown(() => endpoint.close());
  await endpoint.start();
  return { endpoint, errors };
}

/** Status, content type and body. */
async function ask(port: number, path: string, method = "GET", host = `127.0.0.1:${port}`) {
  const asking = request({ host: "127.0.0.1", port, path, method, headers: { host } }).end();
  const [response] = await once(asking, "response");
  const body = (await response.toArray()).join("");
  return [response.statusCode, response.headers["content-type"], body];
}

test("GET /metrics, and nothing else", async (t) => {
  const port = await freePort();
  const { endpoint } = await setup(t, port);
  t.deepEqual(endpoint.report, { to: `http://127.0.0.1:${port}/metrics` });
  t.deepEqual(await ask(port, "/metrics"), [200, "text/plain; version=0.0.4", "up 1\n"]);
  t.deepEqual(await ask(port, "/metrics?x=1", "HEAD"), [200, "text/plain; version=0.0.4", ""]);
  t.is((await ask(port, "/metrics", "POST"))[0], 405);
  t.is((await ask(port, "/"))[0], 404);
  t.is((await ask(port, "/metrics/../x"))[0], 404);
  t.is((await ask(port, "/metrics", "GET", "localhost"))[0], 200);
});

test("a name that only points to loopback is refused", async (t) => {
  const port = await freePort();
  await setup(t, port);
  for (const host of [`evil.example:${port}`, "127.0.0.1.evil.example"]) {
    t.is((await ask(port, "/metrics", "GET", host))[0], 403, host);
  }
});

test("a port that is taken is said once and told in status; the daemon goes on", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const { endpoint, errors } = await setup(t, port);
  t.regex(endpoint.report.error ?? "", /EADDRINUSE/);
  t.is(errors.length, 1);
});

test("metrics that can't be made are a 500", async (t) => {
  const port = await freePort();
  const { errors } = await setup(t, port, async () => {
    throw new Error("out of order");
  });
  t.is((await ask(port, "/metrics"))[0], 500);
  t.regex(errors[0] ?? "", /out of order/);
});

test("many who ask at once, or in one piece, are answered with one text", async (t) => {
  const port = await freePort();
  let made = 0;
  await setup(t, port, async () => {
    made++;
    await sleep(100);
    return `made ${made}\n`;
  });
  const flood = connect(port, "127.0.0.1");
  t.teardown(() => flood.destroy());
  const head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
  flood.write(head.repeat(200));
  const answers = await Promise.all([1, 2, 3].map(() => ask(port, "/metrics")));
  t.deepEqual(
    answers.map(([status]) => status),
    [200, 200, 200],
  );
  const text = (await flood.toArray()).join("");
  t.is(text.match(/200 OK/g)?.length, 1);
  t.is(made, 1);
});

test("connections of others that do nothing keep no probe out, and end", async (t) => {
  t.timeout(60_000);
  const port = await freePort();
  await setup(t, port);
  const open = async () => {
    const idle = connect(port, "127.0.0.1");
    t.teardown(() => idle.destroy());
    await once(
      idle.on("error", () => {}),
      "connect",
    );
    return idle;
  };
  const idle = [];
  for (let i = 0; i < 16; i++) idle.push(await open());
  for (const path of ["/livez", "/readyz"]) t.is((await ask(port, path))[0], 200, path);
  // Node by itself looks only every 30 s.
  const newest = idle.at(-1)!.resume();
  t.is(await Promise.race([once(newest, "close").then(() => "ended"), sleep(25_000)]), "ended");
});
