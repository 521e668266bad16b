/** Policy over the real daemon, asked by real programs. */
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { connect } from "../src/client.ts";
import { type Handler, startApi } from "./helpers/api.ts";
import { run } from "./helpers/child.ts";
import { type Daemon, MAIN, startDaemon } from "./helpers/daemon.ts";
import { onLinux } from "./helpers/optional.ts";

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
  /** A program that speaks for itself, and runs authd's command line as its child. */
  program: string;
  byProgram(...args: string[]): ReturnType<typeof run>;
  byScript(...args: string[]): ReturnType<typeof run>;
}

async function stage(t: ExecutionContext): Promise<Stage> {
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
  copyFileSync(process.execPath, program);
  const source = `
    const { status } = require("node:child_process").spawnSync(
      ${JSON.stringify(process.execPath)}, process.argv.slice(1), { stdio: "inherit" });
    process.exitCode = status;`;
  const script = join(folder, "script.sh");
  // Something after it, or the shell becomes what it runs.
  writeFileSync(script, `#!/bin/sh\n"${process.execPath}" "$@"\nexit $?\n`, { mode: 0o755 });
  return {
    ...{ daemon, origin, add, program },
    byProgram: (...args) => run(t, program, ["-e", source, MAIN, ...args], { env }),
    byScript: (...args) => run(t, script, [MAIN, ...args], { env }),
  };
}

onLinux("a program is let in by its path, also through authd get; a script is not", async (t) => {
  const { add, program, byProgram, byScript, daemon } = await stage(t);
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
  const { add, program, byProgram, byScript } = await stage(t);
  const sha256 = createHash("sha256").update(readFileSync(program)).digest("hex");
  await add("demo", { allow: [{ sha256 }] });
  t.is((await byProgram("get", "demo")).stdout, "made-up-token\n");
  t.is((await byScript("get", "demo")).code, 6);
  await add("other", { allow: [{ sha256: "0".repeat(64) }] });
  t.is((await byProgram("get", "other")).code, 6);
});

onLinux("deny wins, and the answer names the rule", async (t) => {
  const { add, program, byProgram, byScript } = await stage(t);
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
  const { add, daemon, origin } = await stage(t);
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
  const { add, daemon } = await stage(t);
  await add("demo", { allow: [{ name: "seldom", rate: "2/h" }] });
  t.is((await daemon.cli(["get", "demo"])).code, 0);
  t.is((await daemon.cli(["get", "demo"])).code, 0);
  const third = await daemon.cli(["get", "demo"]);
  t.is(third.code, 7);
  t.regex(third.stderr, /more often than the rule seldom allows/);
});

onLinux("origins, methods and paths hold over redirects and headers, too", async (t) => {
  const { add, daemon, origin } = await stage(t);
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

onLinux("a scope beside the credential's own is for whom a rule names it", async (t) => {
  const { daemon } = await stage(t);
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
