/** Policy over the real daemon, asked by real programs. */
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import { type Handler, startApi } from "../helpers/api.ts";
import { run } from "../helpers/child.ts";
import { type Daemon, MAIN, startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { ownProgram } from "../helpers/own-program.ts";

import { inOwnTerminal } from "../helpers/terminal.ts";
import { until } from "../helpers/until.ts";

/** `/…/go?PATH` redirects there; everything else says what came. */
const api: Handler = ({ url = "", method, headers }, response) => {
  const { pathname, search } = new URL(url, "http://localhost");
  if (pathname.endsWith("/go")) {
    return response.writeHead(302, { location: search.slice(1) }).end();
  }
  return response.end(`${method} ${pathname} ${headers.authorization}`);
};

interface Stage {
  daemon: Daemon;
  origin: string;
  /** Adds a static credential with these policy keys. */
  add(name: string, policy: object): Promise<void>;
  /** Where a program may be made that speaks for itself (see ownProgram), and runs authd's command line as its child. */
  program: string;
  byProgram(...args: string[]): ReturnType<typeof run>;
  byScript(...args: string[]): ReturnType<typeof run>;
}

async function setup(t: ExecutionContext): Promise<Stage> {
  const daemon = await startDaemon(t);
  const origin = `http://127.0.0.1:${(await startApi(t, api)).port}`;
  const { env, folder } = daemon;
  const add = async (name: string, policy: object) => {
    const client = await connect({ socket: daemon.socket });
    const settings = { origins: [origin], ...policy };
    const secrets = { token: "made-up-token" };
    await client.request("credentials/add", { name, grant: "static", settings, secrets });
    client.close();
  };
  const program = join(folder, "backup");
  const script = join(folder, "script.sh");
  // Something after it, or the shell becomes what it runs.
  writeFileSync(script, `#!/bin/sh\n"${process.execPath}" "$@"\nexit $?\n`, { mode: 0o755 });
  return {
    ...{ daemon, origin, add, program },
    byProgram: (...args) => run(t, program, [process.execPath, MAIN, ...args], { env }),
    byScript: (...args) => run(t, script, [MAIN, ...args], { env }),
  };
}

onLinux("a program is let in by its path, also through authd get; a script is not", async (t) => {
  const { add, program, byProgram, byScript, daemon } = await setup(t);
  if (!ownProgram(t, program)) return;
  await add("demo", { allow: [{ name: "backup job", executable: program }] });
  t.like(await byProgram("get", "demo"), { code: 0, stdout: "made-up-token\n" });
  const script = await byScript("get", "demo");
  t.is(script.code, 6, script.stderr);
  t.regex(script.stderr, /no \[\[allow\]\] rule matches .*sh .*script\.sh \(process \d+\)/);
  t.regex(script.stderr, /runs whatever it is told to/);
  const direct = await daemon.cli(["get", "demo"]);
  t.is(direct.code, 6, "by the test, which is node");
});

onLinux("a program is let in by what is in its file", async (t) => {
  const { add, program, byProgram, byScript } = await setup(t);
  if (!ownProgram(t, program)) return;
  const sha256 = createHash("sha256").update(readFileSync(program)).digest("hex");
  await add("demo", { allow: [{ sha256 }] });
  t.is((await byProgram("get", "demo")).stdout, "made-up-token\n");
  t.is((await byScript("get", "demo")).code, 6);
  await add("other", { allow: [{ sha256: "0".repeat(64) }] });
  t.is((await byProgram("get", "other")).code, 6);
});

onLinux("an interpreter under another name is none that a rule can mean", async (t) => {
  const { add, program, daemon } = await setup(t);
  copyFileSync(process.execPath, program);
  const sha256 = createHash("sha256").update(readFileSync(program)).digest("hex");
  await add("by-digest", { allow: [{ sha256 }] });
  await add("by-path", { allow: [{ executable: program }] });
  await add("asked", { confirm: "first" });
  const asks = (name: string) => run(t, program, [MAIN, "get", name], { env: daemon.env });
  for (const name of ["by-digest", "by-path"]) {
    const refused = await asks(name);
    t.is(refused.code, 6, name);
    t.regex(refused.stderr, /runs whatever it is told to/);
  }
  const asked = asks("asked");
  const client = await connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  let choices: string[] | undefined;
  await until(async () => {
    [{ choices } = { choices }] = (await client.request("approvals/pending", {})).approvals;
    return choices !== undefined;
  });
  t.deepEqual(choices, ["once", "process"]);
  t.is((await daemon.cli(["approve", "--deny"])).code, 0);
  t.is((await asked).code, 6);
});

onLinux(
  "what a caller chooses stands in a question in quotes, and can't pass for its words",
  async (t) => {
    const { add, daemon } = await setup(t);
    await add("demo", { confirm: "first" });
    const client = await connect({ socket: daemon.socket });
    t.teardown(() => client.close());
    const scope = 'read" of nothing\n(process 1) \u202easks';
    const asked = client.getToken({ credential: "demo", scope, audience: "plain" }).catch(() => {});
    let what = "";
    await until(async () => {
      [{ what } = { what }] = (await client.request("approvals/pending", {})).approvals;
      return what !== "";
    });
    t.is(what, 'a token with scope "read\\" of nothing?(process 1) ?asks" and audience plain');
    t.is((await daemon.cli(["approve", "--deny"])).code, 0);
    await asked;
  },
);

onLinux("rules that match no program are told of by show, doctor and the log", async (t) => {
  const { add, daemon, program } = await setup(t);
  await add("demo", { allow: [{ name: "gone", executable: program }] });
  const says = /the rule gone matches no program: .*backup is not there/;
  t.regex((await daemon.cli(["show", "demo"])).stdout, says);
  t.regex((await daemon.cli(["doctor"])).stdout, says);
  t.is((await daemon.cli(["reload"])).code, 0);
  t.regex((await daemon.stop()).stderr, says);
});

onLinux("deny wins, and the answer names the rule", async (t) => {
  const { add, program, byProgram, byScript } = await setup(t);
  if (!ownProgram(t, program)) return;
  await add("demo", {
    allow: [{ executable: program }, {}],
    deny: [{ name: "not the backup", executable: program }],
  });
  const refused = await byProgram("get", "demo");
  t.is(refused.code, 6);
  t.regex(refused.stderr, /backup.* is refused by the rule not the backup/);
  t.is((await byScript("get", "demo")).stdout, "made-up-token\n");
});

onLinux("with expose = request the token stays, and the answer says what to do", async (t) => {
  const { add, daemon, origin } = await setup(t);
  await add("demo", { expose: "request" });
  for (const args of [
    ["get", "demo"],
    ["get", "demo", "--format", "header"],
  ]) {
    const refused = await daemon.cli(args);
    t.is(refused.code, 6);
    t.regex(refused.stderr, /does not leave authd \(expose\).*authd request demo URL/s);
    t.notRegex(refused.stdout + refused.stderr, /made-up-token/);
  }
  const sent = await daemon.cli(["request", "demo", `${origin}/x`]);
  t.is(sent.stdout.trim(), "GET /x Bearer made-up-token");
});

onLinux("a rate: what comes too often is told to come later", async (t) => {
  const { add, daemon } = await setup(t);
  await add("demo", { allow: [{ name: "seldom", rate: "2/h" }] });
  t.is((await daemon.cli(["get", "demo"])).code, 0);
  t.is((await daemon.cli(["get", "demo"])).code, 0);
  const third = await daemon.cli(["get", "demo"]);
  t.is(third.code, 7);
  t.regex(third.stderr, /more often than the rule seldom allows/);
});

onLinux("origins, methods and paths hold over redirects and headers, too", async (t) => {
  const { add, daemon, origin } = await setup(t);
  await add("demo", { expose: "request", methods: ["GET", "POST"], paths: ["/v2/*"] });
  const request = (...args: string[]) => daemon.cli(["request", "demo", ...args, "-i"]);
  const refused = async (reason: RegExp, ...args: string[]) => {
    const { code, stderr } = await request(...args);
    t.is(code, 6, args.join(" "));
    t.regex(stderr, reason);
  };
  t.regex((await request(`${origin}/v2/go?/v2/b`)).stdout, /^GET \/v2\/b /);
  const stopped = await request(`${origin}/v2/go?/admin`);
  t.is(stopped.code, 0);
  t.regex(stopped.stderr, /302/);
  t.is(stopped.stdout, "");
  // What a 302 makes of a POST is one of the methods; where it leads is none of the paths.
  t.regex((await request("POST", `${origin}/v2/go?/v2/b`)).stdout, /^GET \/v2\/b /);
  await refused(/not one of its paths/, `${origin}/admin`);
  await refused(/not one of its paths/, `${origin}/v2/..%2fadmin`);
  await refused(/not one of its paths/, `${origin}/v2/%2e%2e/admin`);
  await refused(/not one of its methods/, "DELETE", `${origin}/v2/a`);
  await refused(
    /x-http-method-override/,
    "POST",
    `${origin}/v2/a`,
    "-H",
    "X-HTTP-Method-Override: DELETE",
  );
  await refused(/./, "http://127.0.0.1:9/v2/a");
});

onLinux("once is for the request that was shown, and for one of it", async (t) => {
  const { add, daemon, origin } = await setup(t);
  await add("demo", { expose: "request", confirm: "first" });
  const client = await connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const send = (path: string, more: object = {}) =>
    client.authorizedRequest({ credential: "demo", url: `${origin}${path}`, ...more }).then(
      ({ body }) => body,
      (error) => error.reason,
    );
  const waiting = async (count: number) => {
    for (;;) {
      const { approvals } = await client.request("approvals/pending", {});
      if (approvals[0]?.count === count) return approvals[0];
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const shown = send("/pay?to=alice", { method: "POST", body: "1 euro", headers: { "x-a": "1" } });
  await waiting(1);
  const others = [
    send("/pay?to=alice", { method: "POST", body: "1 euro", headers: { "x-a": "1" } }),
    send("/pay?to=mallory", { method: "POST", body: "1 euro", headers: { "x-a": "1" } }),
    send("/pay?to=alice", { method: "POST", body: "9 euro", headers: { "x-a": "1" } }),
    send("/pay?to=alice", { method: "POST", body: "1 euro", headers: { "x-a": "2" } }),
  ];
  const first = await waiting(5);
  t.like(first.request, {
    query: "?to=alice",
    headers: ["x-a"],
    bodyBytes: 6,
    bodySha256: createHash("sha256").update("1 euro").digest("hex"),
  });
  const yes = await inOwnTerminal(t, daemon, ["approve", `${first.id}`, "--once"]);
  t.is(yes.code, 0, yes.stderr);
  t.regex((await shown) ?? "", /^POST \/pay /);
  t.not((await waiting(4)).id, first.id, "the rest is another question");
  t.is((await daemon.cli(["approve", "--deny"])).code, 0);
  t.deepEqual(new Set(await Promise.all(others)), new Set(["caller_not_allowed"]));
});

onLinux("a yes for once does not follow a redirect to what was not shown", async (t) => {
  const { add, daemon, origin } = await setup(t);
  await add("demo", { expose: "request", confirm: "first" });
  const asked = run(t, process.execPath, [MAIN, "request", "demo", `${origin}/go?/other`, "-i"], {
    env: daemon.env,
  });
  await until(async () => /demo/.test((await daemon.cli(["pending"])).stdout));
  t.is((await inOwnTerminal(t, daemon, ["approve", "1", "--once"])).code, 0);
  t.regex((await asked).stderr, /302/);
});

onLinux("test and refresh are uses: rules, rates and questions hold for them", async (t) => {
  const { add, daemon, origin, byProgram, program } = await setup(t);
  if (!ownProgram(t, program)) return;
  const verify = { url: `${origin}/me` };
  const deny = [{ name: "no backup", executable: program }];
  await add("denied", { verify, deny });
  for (const command of ["test", "refresh"]) {
    const refused = await byProgram(command, "denied");
    t.is(refused.code, 6, command);
    t.regex(refused.stderr, /refused by the rule no backup/);
  }
  await add("outside", { verify, expose: "request", paths: ["/v2/*"] });
  t.regex((await daemon.cli(["test", "outside"])).stderr, /not one of its paths/);
  t.is((await daemon.cli(["refresh", "outside"])).code, 0, "it gives no token away");
  await add("seldom", { verify, allow: [{ name: "seldom", rate: "1/h" }] });
  t.is((await daemon.cli(["test", "seldom"])).code, 0);
  for (const command of ["test", "refresh"]) {
    t.is((await daemon.cli([command, "seldom"])).code, 7, command);
  }
  await add("asked", { verify, confirm: "always" });
  for (const [command, what] of [
    ["test", `GET ${origin}/me`],
    ["refresh", "a refresh of its token"],
  ] as const) {
    const asked = daemon.cli([command, "asked"]);
    await until(async () => (await daemon.cli(["pending"])).stdout.includes(`for ${what}\n`));
    t.is((await daemon.cli(["approve", "--deny"])).code, 0);
    t.is((await asked).code, 6, command);
  }
});

onLinux("a scope beside the credential's own is for whom a rule names it", async (t) => {
  const { daemon } = await setup(t);
  const client = await connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const settings = {
    ...{ token_url: "http://127.0.0.1:9/token", client_id: "x", scope: "read" },
    allow: [{ scope: ["read"] }],
    deny: [{ name: "no admin", scope: ["admin"] }],
  };
  // Nobody answers there: what counts is who gets as far as that.
  const secrets = { client_secret: "none" };
  await client
    .request("credentials/add", { name: "demo", grant: "client_credentials", settings, secrets })
    .catch(() => {});
  const reason = async (scope?: string) =>
    await client.getToken({ credential: "demo", ...(scope === undefined ? {} : { scope }) }).then(
      () => "token",
      (error) => `${error.reason} ${error.message}`,
    );
  t.regex(await reason(), /^issuer_unavailable/);
  t.regex(await reason("read read"), /^issuer_unavailable/);
  t.regex(await reason("write"), /^caller_not_allowed/);
  t.regex(await reason("read admin"), /^caller_not_allowed.*no admin/);
});
