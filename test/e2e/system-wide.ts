/** One daemon under its own user, asked by real users. */

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { params } from "../../src/rpc/params.ts";
import { startApi } from "../helpers/api.ts";
import { LEAST_PARAMS, OPEN_METHODS } from "../helpers/methods.ts";
import { asRoot } from "../helpers/optional.ts";
import { type SharedDaemon, startSharedDaemon, type User } from "../helpers/several-users.ts";
import { until } from "../helpers/until.ts";

const REACH = 64_100;
const API = 64_101;
const owner: User = { uid: 64_001, gid: 64_001, groups: [REACH] };
const alice: User = { uid: 64_011, gid: 64_011, groups: [REACH] };
const bob: User = { uid: 64_012, gid: 64_012, groups: [REACH, API] };
/** By the group that she has first. */
const carol: User = { uid: 64_013, gid: API, groups: [REACH] };
/** Let in, and named by no rule. */
const dora: User = { uid: 64_016, gid: 64_016, groups: [REACH] };
/** Reaches the socket, and is on no list. */
const mallory: User = { uid: 64_014, gid: 64_014, groups: [REACH] };
const outsider: User = { uid: 64_015, gid: 64_015, groups: [API] };

const CONFIG = `socket_group = ${REACH}
max_connections = 8
[access]
users = [${alice.uid}, ${dora.uid}]
groups = [${API}]
`;

/** Sends what stands in argv, line by line, and prints all that comes until the other side closes. */
const SEND = `
const [, socket, ...lines] = process.argv;
const client = require("node:net").connect({ path: socket, allowHalfOpen: true });
client.on("error", ({ code }) => console.log(code)).on("close", () => console.log("closed"));
client.on("data", (data) => process.stdout.write(data));
client.end(lines.map((line) => line + "\\n").join(""));`;

async function setup(t: ExecutionContext): Promise<SharedDaemon & { origin: string }> {
  const { origin } = await startApi(t, ({ headers }, response) =>
    response.end(`${headers.authorization}`),
  );
  const daemon = await startSharedDaemon(t, owner, CONFIG);
  const add = (name: string, policy: object) =>
    daemon.client.request("credentials/add", {
      ...{ name, grant: "static", secrets: { token: `made-up-${name}` } },
      settings: { origins: [origin], ...policy },
    });
  await add("for-alice", { allow: [{ user: alice.uid }] });
  await add("for-group", { expose: "request", paths: ["/v2"], allow: [{ group: API }] });
  await add("for-nobody", {});
  await add("for-everybody", { allow: [{}] });
  return { ...daemon, origin };
}

asRoot("users and groups get what rules give them, and see no more", async (t) => {
  const { cli, origin, socket } = await setup(t);
  const seen = async (user: User) => {
    const { stdout } = await cli(user, "list", "--json");
    return JSON.parse(stdout).credentials.map(({ name }: { name: string }) => name);
  };
  t.deepEqual(await seen(alice), ["for-alice"]);
  t.deepEqual(await seen(bob), ["for-group"]);
  t.deepEqual(await seen(carol), ["for-group"]);
  t.deepEqual(await seen(owner), ["for-alice", "for-everybody", "for-group", "for-nobody"]);

  for (const user of [alice, dora]) t.is((await cli(user, "health")).code, 6);
  t.is((await cli(owner, "health")).code, 0);
  t.is((await cli(alice, "get", "for-alice")).stdout, "made-up-for-alice\n");
  t.is((await cli(bob, "get", "for-alice")).code, 6);
  for (const user of [bob, carol]) {
    t.is((await cli(user, "get", "for-group")).code, 6, "expose = request");
    const sent = await cli(user, "request", "for-group", `${origin}/v2`);
    t.is(sent.stdout.trim(), "Bearer made-up-for-group");
    t.is((await cli(user, "request", "for-group", `${origin}/v1`)).code, 6);
    t.is((await cli(user, "show", "for-group")).code, 0);
  }
  for (const name of ["for-nobody", "for-everybody", "for-group", "no-such-name"]) {
    for (const what of ["get", "show"]) {
      const refused = await cli(alice, what, name);
      t.is(refused.code, 6, `${what} ${name}`);
      t.notRegex(refused.stdout + refused.stderr, /made-up/);
    }
  }
  const unknown = await cli(alice, "get", "no-such-name");
  const known = await cli(alice, "get", "for-nobody");
  const words = ({ stderr }: { stderr: string }) =>
    stderr.replace(/process \d+/g, "").replaceAll(/no-such-name|for-nobody/g, "NAME");
  t.is(words(unknown), words(known), "which names there are is not told");
  t.is(statSync(socket).mode & 0o7777, 0o660);
  t.is(statSync(dirname(socket)).mode & 0o7777, 0o750);
  t.like(statSync(socket), { uid: owner.uid, gid: REACH });
});

asRoot("who is not let in is cut off before a byte is read", async (t) => {
  const { script } = await setup(t);
  const hello = '{"jsonrpc":"2.0","id":1,"method":"initialize"}';
  t.regex((await script(alice, SEND, hello)).stdout, /"serverName":"authd"/);
  t.regex((await script(mallory, SEND, hello)).stdout, /^(EPIPE\n|ECONNRESET\n)?closed\n$/);
  t.is((await script(outsider, SEND, hello)).stdout, "EACCES\nclosed\n");
});

/** Asks over one connection until that is closed, or until "the-end" is among the credentials. */
const STAY = `
const [, socket] = process.argv;
const client = require("node:net").connect(socket);
client.on("error", () => {});
client.on("close", () => { console.log("closed"); process.exit(); });
client.on("data", (data) => {
  if (!String(data).includes("the-end")) return;
  console.log("served");
  process.exit();
});
setInterval(() => client.write('{"jsonrpc":"2.0","id":1,"method":"credentials/list"}\\n'), 50);`;

asRoot("who is let in no more is cut off by the reload, the others are not", async (t) => {
  const { client, script, configDir } = await setup(t);
  const [gone, stays] = [script(alice, STAY), script(bob, STAY)];
  await until(async () => (await client.request("status", {})).connections >= 3);
  const file = join(configDir, "config.toml");
  writeFileSync(file, CONFIG.replace(/users = .*/, "users = []"));
  await client.request("reload", {});
  t.is((await gone).stdout, "closed\n");
  await client.request("credentials/add", {
    ...{ name: "the-end", grant: "static", secrets: { token: "made-up" } },
    settings: { allow: [{ group: API }] },
  });
  t.is((await stays).stdout, "served\n");
});

asRoot("as long as [access] can't be read nobody else is let in", async (t) => {
  const { client, script, cli, configDir } = await setup(t);
  const waits = script(alice, STAY);
  await until(async () => (await client.request("status", {})).connections >= 2);
  const file = join(configDir, "config.toml");
  writeFileSync(file, CONFIG.replace("[access]", "[acess]"));
  const { errors } = await client.request("reload", {});
  t.regex(errors[0]?.message ?? "", /^line \d+: There is no key "acess"\. Did you mean "access"/);
  t.is((await waits).stdout, "closed\n");
  const hello = '{"jsonrpc":"2.0","id":1,"method":"initialize"}';
  t.regex((await script(alice, SEND, hello)).stdout, /^(EPIPE\n|ECONNRESET\n)?closed\n$/);
  writeFileSync(file, CONFIG);
  await client.request("reload", {});
  t.is((await cli(alice, "list")).code, 0);
});

asRoot("what is for the daemon's own user is refused to others, method by method", async (t) => {
  const { script, cli, client } = await setup(t);
  const about = { credential: "for-alice" };
  const methods = Object.keys(params).filter((method) => !OPEN_METHODS.includes(method));
  t.true(methods.length > 15);
  for (const method of methods) {
    const given = JSON.stringify({ ...about, ...LEAST_PARAMS[method] });
    const request = `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${given}}`;
    const { stdout } = await script(alice, SEND, request);
    t.regex(stdout, /"reason":"caller_not_allowed"/, `${method}: ${stdout}`);
  }
  t.is((await cli(alice, "get", "for-alice")).code, 0, "nothing was changed by it");
  const { stdout } = await script(alice, SEND, '{"jsonrpc":"2.0","id":1,"method":"status"}');
  const { result } = JSON.parse(stdout.split("\n", 1)[0] ?? "");
  t.like(result, { credentials: 1, problems: [], states: { ready: 1 } });
  t.is((await cli(alice, "status")).code, 0);
  t.is((await client.request("status", {})).credentials, 4);
});

const NAMES = ["for-alice", "for-group", "for-nobody", "for-everybody", "no-such-name"];

/** What a user is answered to a request about each of these credentials, process and name left out. */
async function answersAbout(
  { script }: SharedDaemon,
  user: User,
  names: readonly string[],
  request: (name: string) => object,
): Promise<string[]> {
  const lines = names.map((name) => JSON.stringify({ jsonrpc: "2.0", id: 1, ...request(name) }));
  const { stdout } = await script(user, SEND, ...lines);
  return stdout
    .trim()
    .split("\n")
    .slice(0, -1)
    .map((line) => names.reduce((text, name) => text.replaceAll(`${name}`, "NAME"), line));
}

asRoot("a guest whom no rule names is told the same, whatever it asks", async (t) => {
  const daemon = await setup(t);
  const told = new Set<string>();
  for (const method of [...Object.keys(params), "no/such/method"]) {
    const url = `${daemon.origin}/v2`;
    const answers = await answersAbout(daemon, dora, NAMES, (name) => ({
      method,
      params: { credential: name, name, url, ...LEAST_PARAMS[method] },
    }));
    t.is(answers.length, NAMES.length, method);
    for (const answer of answers) told.add(answer);
  }
  t.deepEqual(
    [...told].map((answer) => JSON.parse(answer)),
    [
      {
        jsonrpc: "2.0",
        id: 1,
        error: {
          code: 1,
          message: `User ${dora.uid} may use no credential of this authd: no [[allow]] rule names it.`,
          data: { reason: "caller_not_allowed" },
        },
      },
    ],
  );
  const { stdout } = await daemon.script(
    dora,
    SEND,
    `{"jsonrpc":"2.0","method":"initialize"}`,
    `{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"x":"${"x".repeat(65_536)}"}}`,
  );
  t.regex(
    stdout,
    /^\{"jsonrpc":"2.0","id":null,"error":.*"reason":"request_too_large".*\nclosed\n$/,
  );
});

asRoot("a guest with a rule of its own is told nothing of other credentials", async (t) => {
  const daemon = await setup(t);
  const others = ["for-alice", "for-nobody", "for-everybody", "no-such-name"];
  const asked: [method: string, more: object][] = [
    ["getToken", {}],
    ["getToken", { scope: "x", forceRefresh: true }],
    ["credentials/show", {}],
    ["authorizedRequest", { url: `${daemon.origin}/v2` }],
    ["authorizedRequest", { url: "https://elsewhere.example/", method: "DELETE" }],
    ["authorizedRequest", { url: "nonsense", headers: { host: "x" } }],
  ];
  for (const [method, more] of asked) {
    const about = (credential: string) => ({ method, params: { credential, ...more } });
    const answers = await Promise.all(
      others.map((name) => answersAbout(daemon, bob, [name], () => about(name))),
    );
    const words = new Set(answers.flat().map((answer) => answer.replace(/process \d+/, "process")));
    t.is(words.size, 1, `${method}: ${[...words].join("\n")}`);
    t.notRegex([...words].join(), /127\.0\.0\.1|allow\[|https?:/, method);
    t.regex([...words].join(), /caller_not_allowed/, method);
  }
});

/** Asks for a token of `for-later` until it gets one, over one connection. */
const WAIT = `
const [, socket] = process.argv;
const client = require("node:net").connect(socket);
client.on("data", (data) => {
  if (!String(data).includes("accessToken")) return;
  console.log("served");
  process.exit();
});
const ask = '{"jsonrpc":"2.0","id":1,"method":"getToken","params":{"credential":"for-later"}}\\n';
setInterval(() => client.write(ask), 100);`;

asRoot(
  "a guest is heard when a rule for it is made, and was written down once until then",
  async (t) => {
    const { client, script, folder } = await setup(t);
    const served = script(dora, WAIT);
    const log = join(folder, "state", "audit.log");
    const refusals = () =>
      readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => line.includes(`"uid":${dora.uid}`) && line.includes('"refusal"'));
    await until(() => refusals().length !== 0);
    t.like(JSON.parse(refusals()[0] ?? ""), {
      method: "getToken",
      credential: "for-later",
      outcome: "caller_not_allowed",
    });
    await sleep(500);
    await client.request("credentials/add", {
      ...{ name: "for-later", grant: "static", secrets: { token: "made-up" } },
      settings: { allow: [{ user: dora.uid }] },
    });
    t.is((await served).stdout, "served\n");
    t.is(refusals().length, 1);
  },
);

/** Opens connections until one is turned away, and says how many there were. */
const CROWD = `
const [, socket] = process.argv;
const hello = '{"jsonrpc":"2.0","id":1,"method":"initialize"}\\n';
(async () => {
  for (let count = 0; ; count++) {
    const client = require("node:net").connect(socket, () => client.write(hello));
    client.on("error", () => {});
    const answer = await new Promise((resolve) => client.once("data", resolve));
    if (String(answer).includes("too_busy")) { console.log("after", count); break; }
  }
  process.exit();
})();`;

asRoot("one user gets half of the connections at most", async (t) => {
  const { script, cli } = await setup(t);
  t.is((await script(alice, CROWD)).stdout, "after 4\n");
  t.is((await cli(alice, "get", "for-alice")).code, 0, "they are free again");
});

asRoot("a locked vault does not tell other users which names there are", async (t) => {
  const { client, cli } = await startSharedDaemon(t, owner, CONFIG, {
    AUTHD_VAULT_KEY: "passphrase",
  });
  await client.request("unlock", { passphrase: "open sesame" });
  await client.request("credentials/add", {
    ...{ name: "for-nobody", grant: "static", secrets: { token: "made-up" } },
    settings: {},
  });
  await client.request("lock", {});
  const refusals = ["for-nobody", "no-such-name"].map(async (name) => {
    const { code, stderr } = await cli(alice, "get", name);
    return [code, stderr.replaceAll(name, "NAME")];
  });
  const [known, unknown] = await Promise.all(refusals);
  t.is(known?.[0], 6);
  t.deepEqual(unknown, known);
});

asRoot("a user who is taken off the list is refused after a reload", async (t) => {
  const { cli, client, configDir } = await setup(t);
  t.is((await cli(alice, "get", "for-alice")).code, 0);
  const file = `${configDir}/config.toml`;
  writeFileSync(file, readFileSync(file, "utf8").replace(/users = .*/, "users = []"));
  await client.request("reload", {});
  t.not((await cli(alice, "get", "for-alice")).code, 0);
});
