/** The Java client: the conformance suite, its own tests at a daemon, and what Maven makes of it. */
import { chmodSync, chownSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import test from "ava";
import { as, STRANGER } from "../helpers/another-user.ts";
import { run, start } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { compileJava, JAVA_CLIENT, JAVA_OPTIONS, JDK } from "../helpers/java.ts";
import { absent, asRoot, missing } from "../helpers/optional.ts";
import { FileScope } from "../helpers/scope.ts";
import { startStreamingApi } from "../helpers/streaming-api.ts";
import { startToolDaemon } from "../helpers/tool-daemon.ts";

const file = new FileScope();
test.after.always(() => file.end());

let classes: Promise<string> | undefined;
/** Compiles all of the client and its tests, once for this file. */
const compile = () => {
  classes ??= compileJava(file, "src/main/java", "conformance", "tests");
  return classes;
};
const javaArgs = async (...words: readonly string[]) => [
  ...JAVA_OPTIONS,
  ...["-cp", await compile(), ...words],
];

for (const [name, ...more] of [["java"], ["java threads", "--threads"]] as const) {
  conformance(name, {
    start: async () => {
      return { command: "java", args: await javaArgs("authd.Conformance", ...more) };
    },
    programs: JDK,
    features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
  });
}

const lacking = absent(...JDK);
const noJdk = `not installed: ${lacking.join(", ")}`;

test("the Java client at the daemon of authd sandbox", async (t) => {
  t.timeout(300_000);
  if (lacking.length > 0) return missing(t, noJdk);
  const { socket, values } = await startSandbox(t);
  const { labelf: LABELF_URL, realtyna: REALTYNA_URL } = values;
  const env = { ...process.env, AUTHD_SOCKET: socket, LABELF_URL, REALTYNA_URL };
  const args = await javaArgs("authd.SandboxTest");
  const { code, stdout, stderr } = await run(t, "java", args, { env });
  return t.is(code, 0, stdout + stderr);
});

test("java.net.http by the Java client, at an API", async (t) => {
  t.timeout(300_000);
  if (lacking.length > 0) return missing(t, noJdk);
  const api = await startStreamingApi(t, createApi());
  const daemon = await startToolDaemon(t);
  await daemon.addExpiring("mine", `origins=${api}`);
  const env = { ...process.env, AUTHD_SOCKET: daemon.socket, API_URL: api };
  const args = await javaArgs("authd.ApiTest");
  const { code, stdout, stderr } = await run(t, "java", args, { env });
  return t.is(code, 0, stdout + stderr);
});

test("JSON and the wire of the Java client", async (t) => {
  t.timeout(300_000);
  if (lacking.length > 0) return missing(t, noJdk);
  const env = { ...process.env, SOCKET_FOLDER: temporaryFolder(t) };
  const args = await javaArgs("authd.WireTest");
  const { code, stdout, stderr } = await run(t, "java", args, { env });
  return t.is(code, 0, stdout + stderr);
});

asRoot("the Java client tells nothing to another user's program", async (t) => {
  t.timeout(300_000);
  if (lacking.length > 0) return missing(t, noJdk);
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o777);
  const path = join(folder, "authd.sock");
  const listen = `require("net").createServer((c) => c.on("data", () => console.log("told"))).listen("${path}", () => console.log("listens"))`;
  const [command = "", ...words] = [...as(STRANGER), process.execPath, "-e", listen];
  const impostor = start(t, command, words);
  await impostor.says("listens");
  const args = await javaArgs("authd.Ask", path);
  const owned = await run(t, "java", args);
  t.regex(
    owned.stdout,
    /^no_daemon The socket .* belongs to user \d+, not to you \(0\)/,
    owned.stderr,
  );
  // As if it had been put there after the look at its owner.
  chownSync(path, 0, 0);
  const swapped = await run(t, "java", args);
  t.regex(
    swapped.stdout,
    /^no_daemon What listens on .* is another user's program/,
    swapped.stderr,
  );
  impostor.child.kill();
  return t.is((await impostor.ended).stdout, "listens\n");
});

test("the Java client looks for the daemon where the others do", async (t) => {
  t.timeout(300_000);
  if (lacking.length > 0) return missing(t, noJdk);
  const folder = temporaryFolder(t);
  const own = join(folder, ".local/state/authd");
  mkdirSync(own, { recursive: true });
  for (const place of [folder, own]) writeFileSync(join(place, "authd.sock"), "");
  const { PATH } = process.env;
  const places: [NodeJS.ProcessEnv, string][] = [
    [{ AUTHD_SOCKET: "/nowhere/x.sock", XDG_RUNTIME_DIR: "/run" }, "/nowhere/x.sock"],
    [{ XDG_RUNTIME_DIR: "/nowhere" }, "/nowhere/authd/authd.sock"],
    [{ AUTHD_STATE_DIR: folder }, join(folder, "authd.sock")],
    [{ HOME: folder }, join(own, "authd.sock")],
  ];
  for (const [env, path] of places) {
    const args = await javaArgs("authd.Ask");
    const { stdout, stderr } = await run(t, "java", args, { env: { PATH, ...env } });
    t.true(stdout.startsWith("no_daemon ") && stdout.includes(` ${path} `), stdout + stderr);
  }
  return t.pass();
});

const PROGRAM = `
class Program {
  public static void main(String[] args) {
    try (var authd = new authd.Authd()) {
      System.out.println(authd.getToken("labelf").tokenType() + " " + authd.getClass().getModule());
    }
  }
}`;
const NO_CENTRAL =
  /Could not transfer|Unknown host|Temporary failure|Connection|could not be resolved/;

test("Maven makes a module of it, which a program uses; its documentation is whole", async (t) => {
  t.timeout(600_000);
  const without = absent(...JDK, "mvn");
  if (without.length > 0) return missing(t, `not installed: ${without.join(", ")}`);
  const folder = temporaryFolder(t);
  const source = join(folder, "source");
  cpSync(JAVA_CLIENT, source, { recursive: true });
  const packaged = await run(t, "mvn", ["-B", "-q", "--strict-checksums", "package"], {
    cwd: source,
  });
  if (packaged.code !== 0 && NO_CENTRAL.test(packaged.stdout))
    return missing(t, `Maven Central can't be reached: ${packaged.stdout}`);
  t.is(packaged.code, 0, packaged.stdout + packaged.stderr);

  writeFileSync(join(folder, "Program.java"), PROGRAM);
  const jar = join(source, "target/authd-client-0.1.0.jar");
  const { socket } = await startSandbox(t);
  const env = { ...process.env, AUTHD_SOCKET: socket };
  const module = ["-p", jar, "--add-modules", "authd", join(folder, "Program.java")];
  const ran = await run(t, "java", module, { env });
  t.is(ran.code, 0, ran.stderr);
  t.regex(ran.stdout, /^bearer module authd\n$/i);

  const options = ["-Xdoclint:all", "-Werror", "-quiet", "-d", join(folder, "docs")];
  const from = ["--source-path", join(source, "src/main/java"), "authd"];
  const documented = await run(t, "javadoc", [...options, ...from]);
  return t.is(documented.code, 0, documented.stdout + documented.stderr);
});

/** An API that answers slowly, at length, or never, and tells what of that is under way. */
function createApi() {
  let open = 0;
  let sent = 0;
  const keepOpen = (response: ServerResponse) => {
    open++;
    response.once("close", () => open--);
  };
  const send = async (response: ServerResponse, bytes: number) => {
    sent = 0;
    for (const piece = Buffer.alloc(65_536); sent < bytes && !response.destroyed; ) {
      const isTaken = response.write(piece);
      sent += piece.length;
      if (!isTaken) await new Promise((resolve) => response.once("drain", resolve));
    }
    response.end();
  };
  const paths: Record<string, (request: IncomingMessage, response: ServerResponse) => unknown> = {
    "/moved": (_, response) => response.writeHead(302, { location: "/here" }).end(),
    "/here": (_, response) => response.end("here"),
    "/echo": (request, response) => {
      response.setHeader("x-length", request.headers["content-length"] ?? "-1");
      request.pipe(response);
    },
    "/large": ({ url = "" }, response) => send(response, Number(url.split("?")[1])),
    "/sent": (_, response) => response.end(`${sent}`),
    "/open": (_, response) => response.end(`${open}`),
    "/never": (_, response) => keepOpen(response),
    "/endless": (_, response) => {
      keepOpen(response);
      response.write("x");
    },
    "/strict": ({ headers }, response) => {
      response.statusCode = headers.authorization === "Bearer practice-1" ? 401 : 200;
      response.end();
    },
  };
  return (request: IncomingMessage, response: ServerResponse) =>
    paths[request.url!.split("?")[0]!]!(request, response);
}
