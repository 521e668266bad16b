/** JSON and TOML that is nested without end, or means to change what all objects inherit. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { startApi } from "../helpers/api.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { RawClient } from "../helpers/wire.ts";

async function setup(t: ExecutionContext) {
  const issuer = await startIssuer(t, {});
  const api = await startApi(t, (_, response) => response.end("an answer of some length"));
  const daemon = await startDaemon(t);
  const client = await RawClient.open(t, daemon.socket);
  const ask = async (method: string, params: object) => {
    client.request("one", method, params);
    return (await client.next()) ?? {};
  };
  const settings = { origins: [api.origin] };
  const fixed = { name: "fixed", grant: "static", settings, secrets: { token: "practice" } };
  t.is((await ask("credentials/add", fixed)).error, undefined);
  const works = async () => {
    const { result } = await ask("authorizedRequest", { credential: "fixed", url: api.origin });
    t.is(result?.body, "an answer of some length");
    const { headers } = api.seen.at(-1) ?? {};
    t.is(headers?.["x-evil"], undefined);
    t.is((await ask("status", {})).result?.pid, daemon.pid);
  };
  return { issuer, daemon, client, ask, works };
}

/** `[[[…]]]` or the like. */
const deep = (open: string, close: string, depth: number) =>
  `${open.repeat(depth)}1${close.repeat(depth)}`;
const DEPTHS = [100, 10_000, 500_000];
const jwt = (payload: string) =>
  `eyJhbGciOiJub25lIn0.${Buffer.from(payload).toString("base64url")}.x`;

test("frames that are nested without end are answered, and the daemon stays", async (t) => {
  const { daemon, works } = await setup(t);
  for (const depth of DEPTHS) {
    for (const value of [deep("[", "]", depth), deep('{"a":', "}", depth), "[".repeat(depth)]) {
      for (const message of [
        value,
        `{"jsonrpc":"2.0","id":1,"method":"status","params":${value}}`,
        `{"jsonrpc":"2.0","id":${value},"method":"status"}`,
        `{"jsonrpc":"2.0","id":1,"method":"getToken","params":{"credential":${value}}}`,
        `{"jsonrpc":"2.0","id":1,"method":"credentials/add","params":{"name":"x","grant":"exchange","settings":{"request":{"json":${value}},"fields":${value}},"secrets":{"x":${value}}}}`,
        `{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":${value}}}`,
      ]) {
        const one = await RawClient.open(t, daemon.socket);
        one.socket.end(`${message}\n`);
        await one.closed;
        t.notRegex(one.received, /"internal"|Maximum call stack/, message.slice(0, 80));
      }
    }
  }
  await works();
});

test("issuers, JWTs and files that are nested without end are refused", async (t) => {
  const { issuer, daemon, ask, works } = await setup(t);
  const settings = { token_url: issuer.url, client_id: "me" };
  const secrets = { client_secret: "practice" };
  const add = { name: "mine", grant: "client_credentials", settings, secrets, replace: true };
  const headers = { "content-type": "application/json" };
  for (const depth of [100, 10_000, 150_000]) {
    for (const value of [deep("[", "]", depth), deep('{"a":', "}", depth)]) {
      const token = JSON.stringify(jwt(`{"exp":${value},"iat":${value}}`));
      for (const [status, body] of [
        [200, value],
        [200, `{"access_token":${value},"token_type":"bearer"}`],
        [200, `{"access_token":"a","token_type":"bearer","expires_in":${value},"scope":${value}}`],
        [400, `{"error":${value},"error_description":${value}}`],
        [200, `{"access_token":${token},"token_type":"bearer"}`],
      ] as const) {
        issuer.answer({ status, headers, body });
        const { error } = await ask("credentials/add", add);
        t.not(error?.data.reason, "internal", error?.message);
        await ask("getToken", { credential: "mine" });
      }
    }
  }
  for (const [depth, text] of [
    [100_000, deep("[", "]", 100_000)],
    [100_000, deep("{a=", "}", 100_000)],
  ] as const) {
    writeFileSync(
      join(daemon.configDir, "credentials/deep.toml"),
      `grant = "static"\nfields = ${text}\n`,
    );
    const { result } = await ask("reload", {});
    t.is((result?.errors as unknown[] | undefined)?.length, 1, `${depth}`);
  }
  writeFileSync(
    join(daemon.configDir, "credentials/deep.toml"),
    `grant = "static"\n[${"a.".repeat(50_000)}a]\n`,
  );
  t.is(((await ask("reload", {})).result?.errors as unknown[] | undefined)?.length, 1);
  await works();
});

/** What would be seen in later requests, if all objects had it. */
const EVIL = `{"maxResponseBytes":1,"timeoutMs":1,"x-evil":"1","headers":{"x-evil":"1"},"body":"evil","scope":"evil","stream":true}`;
const KEYS = ["__proto__", "constructor", "prototype"];
const polluting = KEYS.flatMap((key) => [
  `{"${key}":${EVIL}}`,
  `{"a":{"${key}":${EVIL}}}`,
  `{"${key}":{"prototype":${EVIL}}}`,
  `{"${key}":{"__proto__":${EVIL}}}`,
]);

test("nothing that is sent, answered or written changes what all objects inherit", async (t) => {
  const { issuer, daemon, client, ask, works } = await setup(t);
  const settings = { token_url: issuer.url, client_id: "me" };
  const secrets = { client_secret: "practice" };
  const add = { name: "mine", grant: "client_credentials", settings, secrets, replace: true };
  const send = async (method: string, params: string) => {
    client.socket.write(`{"jsonrpc":"2.0","id":"raw","method":"${method}","params":${params}}\n`);
    return await client.next();
  };
  for (const evil of polluting) {
    const inner = evil.slice(1, -1);
    await send("status", evil);
    await send("getToken", `{"credential":"fixed",${inner}}`);
    await send("credentials/set", `{"credential":"fixed","settings":${evil}}`);
    await send("credentials/set", `{"credential":"fixed","secrets":${evil}}`);
    await send(
      "credentials/add",
      `{"name":"x","grant":"static","settings":${evil},"secrets":${evil}}`,
    );
    await send(
      "credentials/add",
      `{"name":"x","grant":"static","settings":{"headers":${evil},"fields":${evil}},"secrets":{"token":"a"}}`,
    );
    await send(
      "authorizedRequest",
      `{"credential":"fixed","url":"http://127.0.0.1:1","headers":${evil}}`,
    );
    issuer.answer({
      headers: { "content-type": "application/json" },
      body: `{"access_token":"${jwt(evil)}","token_type":"bearer",${inner}}`,
    });
    await ask("credentials/add", add);
    await works();
  }
  for (const name of KEYS) {
    t.is(
      (await ask("credentials/show", { credential: name })).error?.data.reason ?? "none",
      "unknown_credential",
    );
    t.truthy((await ask("credentials/add", { ...add, name: "y", grant: name })).error);
    t.truthy((await ask(name, {})).error);
  }
  const table = "{ x-evil = '1', maxResponseBytes = 1, scope = 'evil' }";
  for (const text of KEYS.flatMap((key) => [
    `${key} = ${table}`,
    `[${key}]\nx-evil = "1"\nmaxResponseBytes = 1`,
    `[fields.${key}]\nscope = "evil"`,
    `headers = { ${key} = ${table} }`,
    `fields.${key}.prototype = ${table}`,
  ])) {
    writeFileSync(join(daemon.configDir, "credentials/evil.toml"), `grant = "static"\n${text}\n`);
    t.is((await ask("reload", {})).error, undefined);
    await works();
  }
  for (const { form } of issuer.requests) t.is(form.get("scope"), null);
});
