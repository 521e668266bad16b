/** A malicious API, issuer or network: redirects, addresses, names, headers and proxies. */
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import test from "ava";
import { startApi } from "../helpers/api.ts";
import { run } from "../helpers/child.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { asRoot, impossible } from "../helpers/optional.ts";
import { RawClient } from "../helpers/wire.ts";

const TOKEN = "practice-token";

async function ask(client: RawClient, method: string, params: object) {
  client.request("one", method, params);
  return (await client.next()) ?? {};
}

async function setup(t: ExecutionContext, origins: string[], daemon?: Daemon) {
  const running = daemon ?? (await startDaemon(t));
  const client = await RawClient.open(t, running.socket);
  const given = {
    name: "fixed",
    grant: "static",
    settings: { origins },
    secrets: { token: TOKEN },
  };
  const { error } = await ask(client, "credentials/add", given);
  t.is(error, undefined);
  const get = (url: string) => ask(client, "authorizedRequest", { credential: "fixed", url });
  return { client, daemon: running, get };
}

test("no redirect, of any code and spelling, leads a token elsewhere", async (t) => {
  const evil = await startApi(t, (_, response) => response.end("mine now"));
  let location = "";
  const api = await startApi(t, ({ url }, response) => {
    response.writeHead(Number(url.slice(1)), { location }).end("here");
  });
  const { get } = await setup(t, [api.origin]);
  const [own, other] = [api.port, evil.port];
  for (const target of [
    `http://127.0.0.1:${other}/`,
    `//127.0.0.1:${other}/`,
    `http:\\\\127.0.0.1:${other}\\`,
    `/\\127.0.0.1:${other}/`,
    `http:/\\127.0.0.1:${other}/`,
    `\\\\127.0.0.1:${other}`,
    `http://127.0.0.1:${own}@127.0.0.1:${other}/`,
    `http://127.0.0.1:${own}%40127.0.0.1:${other}/`,
    `http://x:y@127.0.0.1:${own}/200`,
    `http://localhost:${other}/`,
    `http://localhost:${own}/200`,
    `http://[::ffff:127.0.0.1]:${own}/200`,
    `https://127.0.0.1:${own}/200`,
    `ftp://127.0.0.1:${own}/200`,
    "javascript:alert(1)",
    "file:///etc/passwd",
    `data:text/plain,http://127.0.0.1:${own}`,
  ]) {
    location = target;
    for (const status of [301, 302, 303, 307, 308]) {
      const { result } = await get(`${api.origin}/${status}`);
      t.is(result?.status, status, target);
    }
    t.false(
      api.seen.some(({ url }) => url === "/200"),
      target,
    );
  }
  t.is(evil.connections, 0);
  for (const status of [300, 304, 305, 306]) {
    location = `${api.origin}/200`;
    t.is((await get(`${api.origin}/${status}`)).result?.status, status);
  }
  t.false(api.seen.some(({ url }) => url === "/200"));
});

test("redirects in a circle end", async (t) => {
  const api = await startApi(t, ({ url }, response) => {
    response.writeHead(302, { location: url === "/a" ? "/b" : "/a" }).end();
  });
  const { get } = await setup(t, [api.origin]);
  t.is((await get(`${api.origin}/a`)).error?.data.reason, "request_failed");
  t.true(api.seen.length <= 11);
});

test("no spelling of an address reaches a place that is not listed", async (t) => {
  const evil = await startApi(t, (_, response) => response.end("mine now"));
  const api = await startApi(t, (_, response) => response.end("fine"));
  const { get } = await setup(t, [api.origin]);
  const [own, other] = [api.port, evil.port];
  for (const url of [
    `http://127.0.0.1:${own}@127.0.0.1:${other}/`,
    `http://127.0.0.1:${other}\\@127.0.0.1:${own}/`,
    `http://127.0.0.1:${other}#@127.0.0.1:${own}/`,
    `http://127.0.0.1:${other}?@127.0.0.1:${own}/`,
    `http://127.0.0.1:${own}\t@127.0.0.1:${other}/`,
    `http:127.0.0.1:${other}`,
    `http:///127.0.0.1:${other}`,
    `http://[::1]:${other}/`,
    `http://[::ffff:7f00:1]:${own}/`,
    `http://[0:0:0:0:0:ffff:127.0.0.1]:${own}/`,
    `http://[fe80::1%25lo]:${own}/`,
    `http://[::1%lo]:${own}/`,
    `http://localhost:${own}/`,
    `http://127.0.0.1.:${other}/`,
    `http://127.0.0.2:${own}/`,
    `http://0.0.0.0:${own}/`,
    `http://0:${own}/`,
    `http://①27.0.0.1:${other}/`,
    `http://127。0。0。1:${other}/`,
    `http://2130706433:${other}/`,
    `http://0x7f.1:${other}/`,
    `http://ⓛocalhost:${other}/`,
    `http://xn--127-0-0-1:${own}/`,
    `https://127.0.0.1:${own}/`,
    `ws://127.0.0.1:${own}/`,
    `blob:http://127.0.0.1:${own}/x`,
    `view-source:http://127.0.0.1:${own}/`,
  ]) {
    const { error } = await get(url);
    t.regex(error?.data.reason ?? "none", /^(origin_not_allowed|invalid_params)$/, url);
  }
  t.is(evil.connections + api.connections, 0);
  // Spellings of the very same place are the same place.
  for (const url of [
    `http://2130706433:${own}/`,
    `HTTP://127.1:${own}`,
    `http://127。0.0.1:${own}/`,
  ]) {
    t.is((await get(url)).result?.body, "fine", url);
  }
});

test("names that a resolver could send anywhere are no loopback: plain http is refused", async (t) => {
  const daemon = await startDaemon(t);
  const client = await RawClient.open(t, daemon.socket);
  for (const host of [
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.localhost",
    "localhost.",
    "localhost.localdomain",
    "ip6-localhost",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "[::]",
    "[fe80::1]",
  ]) {
    for (const settings of [{ origins: [`http://${host}`] }, { token_url: `http://${host}/t` }]) {
      const grant = "origins" in settings ? "static" : "client_credentials";
      const secrets = grant === "static" ? { token: TOKEN } : { client_secret: TOKEN };
      const more = grant === "static" ? {} : { client_id: "me" };
      const given = { name: "x", grant, settings: { ...settings, ...more }, secrets };
      const { error } = await ask(client, "credentials/add", given);
      t.is(error?.data.reason, "invalid_params", host);
      t.regex(error?.message ?? "", /must be https/, host);
    }
  }
});

asRoot("a resolver that says that localhost is elsewhere gets nothing", async (t) => {
  const hosts = join(temporaryFolder(t), "hosts");
  writeFileSync(hosts, "192.0.2.1 localhost\n");
  const through = ["unshare", "--mount", "sh", "-c"];
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  const probe = await run(t, through[0]!, [...through.slice(1), script, hosts, "true"]);
  if (probe.code !== 0) return impossible(t, `no mounts here: ${probe.stderr}`);
  const daemon = await startDaemon(t, { through: [...through, script, hosts] });
  const { get } = await setup(t, ["http://localhost:4711"], daemon);
  const { error } = await get("http://localhost:4711/");
  t.is(error?.data.reason, "request_failed");
  // Not that it could not be reached: it was not tried.
  t.regex(error?.message ?? "", /ENOTFOUND/);
});

/** Takes whatever comes, as it comes, and says yes. */
async function rawServer(t: ExecutionContext) {
  const got = { text: "" };
  const server = createServer((socket) => {
    socket
      .on("error", () => {})
      .on("data", (data) => {
        got.text += data.toString("latin1");
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      });
    t.teardown(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  return { got, origin: `http://127.0.0.1:${port}` };
}

const EVIL = [
  "a\r\nx-evil: 1",
  "a\nx-evil: 1",
  "a\rx-evil: 1",
  "a\0x-evil: 1",
  "a\u010d\u010ax-evil: 1",
];

test("no header, method, URL, secret, setting or token writes a header of its own", async (t) => {
  const raw = await rawServer(t);
  const { client } = await setup(t, [raw.origin]);
  const send = (more: object) =>
    ask(client, "authorizedRequest", { credential: "fixed", url: raw.origin, ...more });
  for (const evil of EVIL) {
    for (const more of [
      { headers: { "x-a": evil } },
      { headers: { [evil]: "a" } },
      { headers: { [`x-a: b\r\n${evil}`]: "a" } },
      { method: evil },
      ...(evil.includes("\u010a") ? [] : [{ url: `${raw.origin}/${evil}` }]),
    ]) {
      const { error } = await send(more);
      t.is(error?.data.reason, "invalid_params", JSON.stringify(more));
    }
    // In a credential: refused when it is added, or never sent.
    for (const [settings, token] of [
      [{}, evil],
      [{ headers: { "x-key": "{token}" } }, evil],
      [{ headers: { "x-key": evil } }, "fine"],
      [{ headers: { [evil]: "{token}" } }, "fine"],
    ] as const) {
      const whole = { origins: [raw.origin], ...settings };
      const given = { name: "evil", grant: "static", settings: whole, secrets: { token } };
      await ask(client, "credentials/add", { ...given, replace: true });
      await ask(client, "authorizedRequest", { credential: "evil", url: raw.origin });
      const { result } = await ask(client, "getToken", { credential: "evil" });
      t.notRegex(JSON.stringify(result?.headers ?? {}), /x-evil/);
    }
  }
  for (const name of [
    "host",
    "Host",
    "content-length",
    "Transfer-Encoding",
    "proxy-authorization",
  ]) {
    const { error } = await send({ headers: { [name]: "1" } });
    t.is(error?.data.reason, "invalid_params", name);
  }
  t.is((await send({})).result?.status, 200);
  t.regex(raw.got.text, /^host: 127\.0\.0\.1:\d+\r$/im);
  t.notRegex(raw.got.text, /x-evil/i);
});

test("a token, or its type, with a line break in it is refused", async (t) => {
  const raw = await rawServer(t);
  const issuer = await startIssuer(t, {});
  const daemon = await startDaemon(t);
  const client = await RawClient.open(t, daemon.socket);
  for (const evil of EVIL) {
    for (const json of [
      { access_token: evil, token_type: "bearer", expires_in: 60 },
      { access_token: "fine", token_type: `bearer ${evil}`, expires_in: 60 },
    ]) {
      issuer.answer({ json });
      const settings = { token_url: issuer.url, client_id: "me", origins: [raw.origin] };
      const secrets = { client_secret: "practice" };
      const given = { name: "evil", grant: "client_credentials", settings, secrets, replace: true };
      await ask(client, "credentials/add", given);
      const { result } = await ask(client, "getToken", { credential: "evil" });
      t.notRegex(JSON.stringify(result ?? {}), /x-evil/);
      await ask(client, "authorizedRequest", { credential: "evil", url: raw.origin });
    }
  }
  t.notRegex(raw.got.text, /x-evil/i);
});

test("a proxy in the environment is not used, one in config.toml is", async (t) => {
  const proxy = await rawServer(t);
  const names = ["http_proxy", "https_proxy", "all_proxy"];
  const env = Object.fromEntries(
    [...names, ...names.map((name) => name.toUpperCase())].map((name) => [name, proxy.origin]),
  );
  const elsewhere = ["https://api.invalid", "http://api.invalid"];
  for (const [config, sees] of [
    [{}, false],
    [{ "config.toml": `proxy = "${proxy.origin}"\n` }, true],
  ] as const) {
    const daemon = await startDaemon(t, { config, env: { ...env, NODE_USE_ENV_PROXY: "1" } });
    const client = await RawClient.open(t, daemon.socket);
    const settings = { origins: elsewhere, allow_insecure_http: true };
    const given = { name: "fixed", grant: "static", settings, secrets: { token: TOKEN } };
    t.is((await ask(client, "credentials/add", given)).error, undefined);
    for (const url of elsewhere) {
      await ask(client, "authorizedRequest", { credential: "fixed", url, timeoutMs: 2_000 });
    }
    t.is(/CONNECT api\.invalid/.test(proxy.got.text), sees);
  }
});
