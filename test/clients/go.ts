/** The Go client, by the conformance suite, at real daemons, and with real libraries of Go. */
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { basename, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { run } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { startHelperDaemon } from "../helpers/helper-daemon.ts";
import { absent, missing } from "../helpers/optional.ts";
import type { Scope } from "../helpers/scope.ts";
import { ROOT } from "../helpers/sources.ts";
import { startStreamingApi } from "../helpers/streaming-api.ts";

const CORE = join(ROOT, "clients/go");

/** Go's own toolchain, and the modules that go.sum names, whatever the machine is set up for. */
const ENV = { GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly -buildvcs=false", GOWORK: "off" };
const NO_REGISTRY = /dial tcp|no such host|i\/o timeout|TLS handshake|toolchain not available/;

const MODULES = [CORE, ...["oauth2token", "grpccreds"].map((name) => join(CORE, name))];

const go = (t: Scope, cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(t, "go", args, { cwd, env: { ...process.env, ...ENV, ...env } });

conformance("go", {
  start: async (t) => {
    const driver = join(temporaryFolder(t), "conformance");
    const built = await go(t, CORE, ["build", "-o", driver, "./internal/conformance"]);
    return built.code === 0 ? { command: driver } : `go can't build the driver: ${built.stderr}`;
  },
  programs: ["go"],
  features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
});

test.serial(
  "the Go client is formatted, vetted for each system, and has no dependency",
  async (t) => {
    t.timeout(600_000);
    if (absent("go", "gofmt").length > 0) return missing(t, "go is not installed");
    const unformatted = await run(t, "gofmt", ["-l", CORE]);
    t.is(unformatted.stdout + unformatted.stderr, "");
    for (const GOOS of ["linux", "darwin", "freebsd", "windows"]) {
      const { code, stderr } = await go(t, CORE, ["vet", "./..."], { GOOS });
      t.is(code, 0, `${GOOS}: ${stderr}`);
    }
    const { stdout } = await go(t, CORE, ["list", "-m", "all"]);
    return t.is(stdout, "authd/client\n");
  },
);

/** Runs a module's tests with options of `go test`; none may be left out. */
async function testModule(
  t: ExecutionContext,
  module: string,
  env: NodeJS.ProcessEnv,
  options: readonly string[],
) {
  // It also fetches the modules.
  const vetted = await go(t, module, ["vet", "./..."], env);
  if (NO_REGISTRY.test(vetted.stderr)) return missing(t, `no modules: ${vetted.stderr}`);
  t.is(vetted.code, 0, vetted.stderr);
  const tests = ["test", ...options, "-count=1", "-v", "./..."];
  const { code, stdout, stderr } = await go(t, module, tests, env);
  t.is(code, 0, stdout + stderr);
  t.regex(stdout, /^--- PASS/m);
  return t.notRegex(stdout, /^--- SKIP/m);
}

/** Starts what a module's tests ask; returns where that is. */
async function startAsked(t: ExecutionContext): Promise<NodeJS.ProcessEnv> {
  const sandbox = await startSandbox(t);
  const url = await startBodiesApi(t);
  const { socket } = await startHelperDaemon(t, { demo: url });
  return {
    AUTHD_SOCKET: sandbox.socket,
    LABELF_URL: sandbox.values.labelf,
    STREAM_SOCKET: socket,
    STREAM_URL: url,
  };
}

for (const module of MODULES) {
  test.serial(`${basename(module)}'s own tests`, async (t) => {
    t.timeout(900_000);
    if (absent("go").length > 0) return missing(t, "go is not installed");
    return await testModule(t, module, await startAsked(t), ["-race"]);
  });

  test.serial(`${basename(module)}'s own tests with the oldest Go that it is for`, async (t) => {
    t.timeout(900_000);
    if (absent("go").length > 0) return missing(t, "go is not installed");
    const [, version = ""] = /^go (\S+)$/m.exec(readFileSync(join(module, "go.mod"), "utf8")) ?? [];
    const GOTOOLCHAIN = `go${version.split(".").length === 2 ? `${version}.0` : version}`;
    return await testModule(t, module, { ...(await startAsked(t)), GOTOOLCHAIN }, []);
  });
}

/** Bytes that are written at once. */
const PIECE = Buffer.alloc(64 * 1024, "x");

/** An API that sends a body back as it comes, and one without end of which it tells what was written. */
async function startBodiesApi(t: Scope): Promise<string> {
  const written = { bytes: 0, isClosed: false };
  const writeOn = (response: ServerResponse) => {
    while (!response.destroyed) {
      written.bytes += PIECE.length;
      if (!response.write(PIECE)) return void response.once("drain", () => writeOn(response));
    }
  };
  return await startStreamingApi(t, (request, response) => {
    if (request.url === "/echo") return void request.pipe(response);
    if (request.url === "/written") return void response.end(JSON.stringify(written));
    response.once("close", () => {
      written.isClosed = true;
    });
    return writeOn(response);
  });
}
