/** `[[sockets]]`: what a restricted socket lets through, to whom, and who hears of it. */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import type { AuditEntry } from "../../src/audit/entry.ts";
import { connect } from "../../src/client.ts";
import type { RestrictedSocket } from "../../src/config/settings.ts";
import type { AuthdError } from "../../src/errors.ts";
import { params } from "../../src/rpc/params.ts";
import { startApi } from "../helpers/api.ts";
import { run } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { LEAST_PARAMS, OPEN_METHODS } from "../helpers/methods.ts";
import { absent, asRoot, impossible, missing, onLinux, onUnix } from "../helpers/optional.ts";
import { ownProgram } from "../helpers/own-program.ts";
import { signInAt } from "../helpers/person.ts";
import { PUBLIC_CLIENT, startSignInIssuer } from "../helpers/sign-in-issuer.ts";
import { until } from "../helpers/until.ts";
import { RawClient } from "../helpers/wire.ts";

type Given = Partial<Omit<RestrictedSocket, "mode">> & { mode?: string };

function toml({ name = "box", path = "", credentials = ["mine"], ...rest }: Given): string {
  const { expose, readOnly, mode } = rest;
  const more = [
    ...(expose ? [`expose = "${expose}"`] : []),
    ...(readOnly ? ["read_only = true"] : []),
    ...(mode ? [`mode = "${mode}"`] : []),
  ];
  const lines = [
    `name = "${name}"`,
    `path = "${path}"`,
    `credentials = ${JSON.stringify(credentials)}`,
  ];
  return `[[sockets]]\n${[...lines, ...more].join("\n")}\n`;
}

async function setup(t: ExecutionContext, given: Given = {}, rules = "") {
  const api = await startApi(t, ({ url, headers }, response) => {
    if (url === "/away") return void response.writeHead(307, { location: "/there" }).end();
    response.end(headers.authorization);
  });
  const folder = join(temporaryFolder(t), "box");
  const path = join(folder, "authd.sock");
  const daemon = await startDaemon(t, { config: { "config.toml": toml({ path, ...given }) } });
  const settings = { origins: [api.origin] };
  for (const name of ["mine", "other"]) {
    const credential = { grant: "static", settings, secrets: { token: `practice-${name}` } };
    await daemon.add(name, { credential });
  }
  if (rules) {
    const file = join(daemon.configDir, "credentials/mine.toml");
    writeFileSync(file, `${readFileSync(file, "utf8")}\n${rules}`);
    const reloaded = await daemon.cli(["reload"]);
    t.is(reloaded.code, 0, reloaded.stderr);
    t.is((await daemon.cli(["trust", "mine", "--yes"])).code, 0);
  }
  const client = connect({ socket: path });
  t.teardown(() => client.close());
  const cli = (...args: string[]) => daemon.cli(args, { env: { AUTHD_SOCKET: path } });
  return { daemon, api, path, folder, client, cli };
}

const reasonOf = async (t: ExecutionContext, work: Promise<unknown>) =>
  (await t.throwsAsync<AuthdError>(work))?.reason;

onUnix("sends requests with the credentials that it offers, and hands out no token", async (t) => {
  const { client, api, cli, path } = await setup(t);
  t.is(statSync(path).mode & 0o777, 0o600);
  const url = `${api.origin}/`;
  const answer = await client.authorizedRequest({ credential: "mine", url, method: "POST" });
  t.is(answer.body, "Bearer practice-mine");
  t.is((await cli("request", "mine", url)).stdout, "Bearer practice-mine");
  t.is(await reasonOf(t, client.getToken({ credential: "mine" })), "token_not_exposed");
  const other = await cli("request", "other", url);
  const unknown = await cli("request", "no-such", url);
  t.is(other.code, 6);
  t.regex(other.stderr, /the socket box does not offer it/);
  t.is(other.stderr.replaceAll("other", "X"), unknown.stderr.replaceAll("no-such", "X"));
  const { credentials } = await client.request("credentials/list", {});
  t.deepEqual(
    credentials.map(({ name }) => name),
    ["mine"],
  );
  t.is(
    await reasonOf(t, client.request("credentials/show", { credential: "other" })),
    "caller_not_allowed",
  );
  t.like(await client.request("status", {}), { credentials: 1, problems: [] });
  const get = await cli("get", "mine");
  t.is(get.code, 6);
  t.regex(get.stderr, /authd request mine URL/);
  for (const args of [
    ["trust", "mine"],
    ["edit", "mine"],
    ["set", "mine", "--unset", "ttl"],
  ]) {
    const { code, stderr } = await cli(...args);
    t.is(code, 6);
    t.regex(stderr, /this socket does not tell .*where authd runs/);
  }
  const stop = await cli("stop");
  t.is(stop.code, 6);
  t.regex(stop.stderr, /not for shutdown/);
});

onUnix("every method that changes or tells more is refused, also to root", async (t) => {
  // Other users could answer questions of their own: by this socket nobody does.
  const { daemon, path } = await setup(t, { expose: "token" });
  const client = await RawClient.open(t, path);
  let id = 0;
  for (const method of Object.keys(params).filter((name) => !OPEN_METHODS.includes(name))) {
    client.request(++id, method, { credential: "mine", ...LEAST_PARAMS[method] });
    const answer = await client.next();
    t.is(answer?.error?.data.reason, "caller_not_allowed", `${method} ${JSON.stringify(answer)}`);
  }
  t.true(id > 20);
  t.is((await daemon.cli(["get", "mine"])).stdout, "practice-mine\n");
});

onUnix("expose hands out tokens, by the credential's own rules", async (t) => {
  const { client, cli, api } = await setup(t, { expose: "token", credentials: ["mine", "later"] });
  t.is((await client.getToken({ credential: "mine" })).accessToken, "practice-mine");
  t.is((await cli("get", "mine")).stdout, "practice-mine\n");
  t.is(await reasonOf(t, client.getToken({ credential: "later" })), "unknown_credential");
  const closed = await setup(t, { expose: "token" }, 'expose = "request"\n');
  t.is(await reasonOf(t, closed.client.getToken({ credential: "mine" })), "token_not_exposed");
  const url = `${closed.api.origin}/`;
  t.is((await closed.client.authorizedRequest({ credential: "mine", url })).status, 200);
  t.truthy(api);
});

onLinux(
  "no rule on a program lets in what may pass on the words of others, as sshd does",
  async (t) => {
    const program = join(temporaryFolder(t), "backup");
    if (!ownProgram(t, program)) return;
    const rule = `[[allow]]\nexecutable = "${program}"\n`;
    const { daemon, path } = await setup(t, { expose: "token" }, rule);
    const words = [process.execPath, MAIN, "get", "mine"];
    const ask = (socket: string) =>
      run(t, program, words, { env: { ...daemon.env, AUTHD_SOCKET: socket } });
    t.is((await ask(daemon.socket)).stdout, "practice-mine\n");
    const refused = await ask(path);
    t.is(refused.code, 6, refused.stderr);
  },
);

onUnix("read-only: no other methods, no header that makes one, no redirect to one", async (t) => {
  const { client, api } = await setup(t, { readOnly: true });
  const send = (more: object) =>
    client.authorizedRequest({ credential: "mine", url: `${api.origin}/`, ...more });
  for (const method of ["GET", "head", "OPTIONS"]) t.is((await send({ method })).status, 200);
  for (const method of ["POST", "put", "PATCH", "DELETE"])
    t.is(await reasonOf(t, send({ method })), "caller_not_allowed", method);
  const headers = { "x-http-method-override": "DELETE" };
  t.is(await reasonOf(t, send({ headers })), "caller_not_allowed");
  t.is((await send({ url: `${api.origin}/away` })).url, `${api.origin}/there`);
});

onUnix(
  "the audit log, status and doctor tell which socket; a path that can't be used is a problem",
  async (t) => {
    const { daemon, client, api, folder } = await setup(t);
    await client.authorizedRequest({ credential: "mine", url: `${api.origin}/` });
    await reasonOf(t, client.getToken({ credential: "mine" }));
    await daemon.cli(["request", "mine", `${api.origin}/`]);
    let audited: AuditEntry[] = [];
    let requests: AuditEntry[] = [];
    // Lines are written a moment later, several at once.
    await until(async () => {
      const lines = (await daemon.cli(["audit", "--json"])).stdout.trim().split("\n");
      audited = lines.map((line) => JSON.parse(line));
      requests = audited.filter(({ method }) => method === "authorizedRequest");
      return requests.length >= 2;
    });
    t.deepEqual(
      requests.map(({ peer }) => peer?.socket),
      ["box", undefined],
    );
    t.is(audited.find(({ method }) => method === "getToken")?.rule, "socket box");
    t.regex((await daemon.cli(["audit"])).stdout, /authorizedRequest.*socket box/);
    t.regex((await daemon.cli(["doctor"])).stdout, /socket box/);
    await daemon.stop();
    chmodSync(folder, 0o777);
    await startDaemon(t, { home: daemon });
    const { problems, sockets } = JSON.parse(
      (await daemon.cli(["status", "--json"])).stdout,
    ).daemon;
    t.is(problems[0]?.reason, "socket");
    t.regex(
      sockets[0].problem,
      /socket box can't be used: Others may write to the socket's folder/,
    );
    const status = await daemon.cli(["status"]);
    t.regex(status.stdout, /a socket.*mend its path/);
    const doctor = await daemon.cli(["doctor"]);
    t.is(doctor.code, 1);
    t.regex(doctor.stdout, /Others may write to the socket's folder/);
  },
);

onUnix(
  "mode opens the socket, which its folder still guards; an edit waits for a restart",
  async (t) => {
    const { daemon, path, client, api } = await setup(t, { mode: "0660" });
    t.is(statSync(path).mode & 0o777, 0o660);
    writeFileSync(join(daemon.configDir, "config.toml"), toml({ path, credentials: ["other"] }));
    const reload = await daemon.cli(["reload"]);
    t.regex(reload.stderr, /sockets: an edit takes effect when authd is restarted/);
    const url = `${api.origin}/`;
    t.is((await client.authorizedRequest({ credential: "mine", url })).status, 200);
    for (const [text, message] of [
      [toml({ path: "box.sock" }), /sockets.*expected an absolute path/],
      [toml({ path, mode: "rw" }), /octal digits/],
      [toml({ path, credentials: [] }), /credentials/],
      [toml({ path }) + toml({ path, name: "two" }), /two of its sockets have the path/],
      [toml({ path }) + toml({ path: `${path}2` }), /two of its sockets have the name box/],
    ] as const) {
      writeFileSync(join(daemon.configDir, "config.toml"), text);
      t.regex((await daemon.cli(["reload"])).stderr, message);
    }
  },
);

onLinux(
  "a sign-in that is missing opens where the daemon is, if the client asks for it",
  async (t) => {
    const issuer = await startSignInIssuer(t);
    const path = join(temporaryFolder(t), "box", "authd.sock");
    const folder = temporaryFolder(t);
    const opened = join(folder, "opened");
    writeFileSync(opened, "");
    const desktop = `#!/bin/sh\necho "$1" >>'${opened}'\n`;
    writeFileSync(join(folder, "xdg-open"), desktop, { mode: 0o755 });
    const daemon = await startDaemon(t, {
      config: { "config.toml": toml({ path, credentials: ["mail"] }) },
      env: { DISPLAY: ":99", PATH: `${folder}:${process.env.PATH}` },
    });
    const api = await startApi(t, (_, response) => void response.end("hello"));
    const settings = {
      ...{ issuer: issuer.url, client_id: PUBLIC_CLIENT, scope: "openid offline_access" },
      ...{ prompt: "consent", origins: [api.origin] },
    };
    const credential = { grant: "authorization_code", settings, secrets: {} };
    t.is((await daemon.add("mail", { credential })).code, 0);
    const client = connect({ socket: path });
    t.teardown(() => client.close());
    const request = { credential: "mail", url: `${api.origin}/`, timeoutMs: 60_000 };
    t.is(await reasonOf(t, client.authorizedRequest(request)), "login_required");
    t.is(
      await reasonOf(t, client.request("login/start", { credential: "mail" })),
      "caller_not_allowed",
    );
    t.is(readFileSync(opened, "utf8"), "");
    const waiting = client.request("authorizedRequest", { ...request, interactive: true });
    await until(() => readFileSync(opened, "utf8").includes("http"));
    await signInAt(readFileSync(opened, "utf8").trim(), { name: "ada" });
    t.is((await waiting).body, "hello");
  },
);

asRoot(
  "a container sees the folder that is mounted into it, and not the daemon's own socket",
  async (t) => {
    const lacking = absent("unshare", "mount");
    if (lacking.length > 0) return missing(t, `${lacking.join(", ")}: not installed`);
    const { daemon, api, folder } = await setup(t);
    const inside = join(temporaryFolder(t), "run");
    mkdirSync(inside);
    const script = `
    set -e
    mount --bind "$FROM" "$TO"
    mount -t tmpfs none "$HIDDEN"
    AUTHD_SOCKET="$TO/authd.sock" "$@" request mine "$URL"
    echo
    AUTHD_SOCKET="$OWN" "$@" get mine || echo "exit code $?"`;
    const env = {
      ...{ PATH: process.env.PATH, HOME: "/nonexistent", FROM: folder, TO: inside },
      ...{ HIDDEN: join(daemon.folder, "s"), OWN: daemon.socket, URL: `${api.origin}/` },
    };
    const args = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"];
    const unshared = await run(t, "unshare", [...args, "true"], { env });
    if (unshared.code !== 0) return impossible(t, `no namespaces here: ${unshared.stderr}`);
    const words = ["sh", "-c", script, "sh", process.execPath, MAIN];
    const { stdout, stderr } = await run(t, "unshare", [...args, ...words], { env });
    t.is(stdout, "Bearer practice-mine\nexit code 3\n", stderr);
    // A restart of the daemon puts another socket into the same folder.
    await daemon.stop();
    await startDaemon(t, { home: daemon });
    const again = await run(t, "unshare", [...args, ...words], { env });
    t.is(again.stdout, "Bearer practice-mine\nexit code 3\n", again.stderr);
  },
);
