import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { missing } from "../helpers/optional.ts";

const TOKEN = "a-fixed-token";

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

/** An API that tells what it got, and a daemon with a static token for it. */
async function startEcho(
  t: ExecutionContext,
  answer = Buffer.from("answer\n"),
  status = 200,
  more: Record<string, string> = {},
) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    seen.push({ method, url, headers, body: await buffer(request) });
    response
      .writeHead(status, { "x-answer": "yes", "set-cookie": ["a=1", "b=2"], ...more })
      .end(answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const daemon = await startDaemon(t);
  const added = await daemon.cli(
    ["add", "api", "--grant", "static", "--set", `origins=${origin}`, "--secrets-from", "-"],
    { input: JSON.stringify({ token: TOKEN }) },
  );
  t.is(added.code, 0, added.stderr);
  return { seen, origin, daemon };
}

test("request writes the body to stdout; -i status and headers to stderr", async (t) => {
  const { seen, origin, daemon } = await startEcho(t);
  const plain = await daemon.cli(["request", "api", `${origin}/a?b=c`]);
  t.deepEqual(plain, { code: 0, stdout: "answer\n", stderr: "" });
  t.is(seen[0]?.method, "GET");
  t.is(seen[0]?.url, "/a?b=c");
  t.is(seen[0]?.headers.authorization, `Bearer ${TOKEN}`);

  const { stdout, stderr } = await daemon.cli(["request", "api", `${origin}/`, "-i"]);
  t.is(stdout, "answer\n");
  t.regex(stderr, /^HTTP 200 OK\n/);
  t.regex(stderr, /^x-answer: yes$/m);
  t.regex(stderr, /^set-cookie: a=1\nset-cookie: b=2$/m);
});

test("-d means POST, JSON if it parses as such, otherwise a form; @file and @- are read", async (t) => {
  const { seen, origin, daemon } = await startEcho(t);
  const file = join(daemon.folder, "body.bin");
  const bytes = Buffer.from([0, 1, 2, 0xff, 0xfe]);
  writeFileSync(file, bytes);
  const send = async (args: readonly string[], input?: string) => {
    const said = await daemon.cli(
      ["request", "api", ...args],
      input === undefined ? {} : { input },
    );
    t.is(said.code, 0, said.stderr);
    return seen.at(-1)!;
  };
  const json = await send([`${origin}/`, "-d", '{"a":1}']);
  t.is(json.method, "POST");
  t.is(json.headers["content-type"], "application/json");
  t.is(json.body.toString(), '{"a":1}');

  const form = await send([`${origin}/`, "-d", "a=1", "-d", "b=2"]);
  t.is(form.headers["content-type"], "application/x-www-form-urlencoded");
  t.is(form.body.toString(), "a=1&b=2");

  const binary = await send([
    "PUT",
    `${origin}/`,
    "-H",
    "Content-Type: image/png",
    "-d",
    `@${file}`,
  ]);
  t.is(binary.method, "PUT");
  t.is(binary.headers["content-type"], "image/png");
  t.deepEqual(binary.body, bytes);

  const piped = await send([`${origin}/`, "-d", "@-"], "größe");
  t.is(piped.body.toString(), "größe");

  const missing = await daemon.cli(["request", "api", `${origin}/`, "-d", "@/nowhere"]);
  t.is(missing.code, 2);
});

test("a status of 400 or more is exit 0; -f: exit 1, no body; --fail-with-body: exit 1", async (t) => {
  const { origin, daemon } = await startEcho(t, Buffer.from("no\n"), 404);
  const url = `${origin}/`;
  const stderr = "authd: api: HTTP 404\n";
  for (const [options, wanted] of [
    [[], { code: 0, stdout: "no\n", stderr: "" }],
    [["-f"], { code: 1, stdout: "", stderr }],
    [["--fail-with-body"], { code: 1, stdout: "no\n", stderr }],
    [["-s", "--fail-with-body"], { code: 1, stdout: "no\n", stderr: "" }],
  ] as const) {
    t.deepEqual(await daemon.cli(["request", "api", url, ...options]), wanted);
  }
  const file = join(daemon.folder, "kept");
  writeFileSync(file, "as it was");
  t.is((await daemon.cli(["request", "api", url, "-f", "-o", file])).code, 1);
  t.is(readFileSync(file, "utf8"), "as it was");
});

test("a redirect to another origin is told, with what helps; -f and --fail-with-body: exit 1", async (t) => {
  const location = "https://files.example.com/a?signature=b";
  const { origin, daemon } = await startEcho(t, Buffer.from("moved\n"), 302, { location });
  const stderr =
    "authd: api: HTTP 302 redirects to https://files.example.com, from where nothing was fetched, as the token may not go there. To fetch it without the token: authd set api --set follow=https://files.example.com\n";
  for (const [options, wanted] of [
    [[], { code: 0, stdout: "moved\n", stderr }],
    [["-f"], { code: 1, stdout: "", stderr }],
    [["--fail-with-body"], { code: 1, stdout: "moved\n", stderr }],
    [["-s", "-f"], { code: 1, stdout: "", stderr: "" }],
  ] as const) {
    t.deepEqual(await daemon.cli(["request", "api", `${origin}/`, ...options]), wanted);
  }
});

test("-o writes the body to a file; one that can't be written stops before the request", async (t) => {
  const large = randomBytes(3 * 1024 * 1024);
  const { seen, origin, daemon } = await startEcho(t, large);
  const file = join(daemon.folder, "body.bin");
  writeFileSync(file, "what was there before");
  const said = await daemon.cli(["request", "api", `${origin}/`, "-o", file]);
  t.deepEqual(said, { code: 0, stdout: "", stderr: "" });
  t.true(readFileSync(file).equals(large));
  for (const wrong of [daemon.folder, join(daemon.folder, "nowhere", "file")]) {
    const { code, stderr } = await daemon.cli(["request", "api", `${origin}/`, "-o", wrong]);
    t.is(code, 2);
    t.regex(stderr, /-o /);
  }
  t.is(seen.length, 1);
});

test("-o on a disk that is full is an error, not a short file", async (t) => {
  if (!existsSync("/dev/full")) return missing(t, "/dev/full is not there");
  const { origin, daemon } = await startEcho(t);
  const { code, stderr } = await daemon.cli(["request", "api", `${origin}/`, "-o", "/dev/full"]);
  t.is(code, 2, stderr);
  t.regex(stderr, /-o \/dev\/full: .*ENOSPC/);
});

test("-X is the method; it is given once", async (t) => {
  const { seen, origin, daemon } = await startEcho(t);
  t.is((await daemon.cli(["request", "api", "-X", "PATCH", `${origin}/a`, "-d", "{}"])).code, 0);
  t.is(seen[0]?.method, "PATCH");
  const twice = await daemon.cli(["request", "api", "PUT", `${origin}/a`, "-X", "PATCH"]);
  t.is(twice.code, 2);
  t.regex(twice.stderr, /give the method once/);
});

test("-v tells what is sent and what comes back, and no token", async (t) => {
  const { origin, daemon } = await startEcho(t);
  const args = ["request", "api", `${origin}/a`, "-v", "-H", "x-mine: yes"];
  const { stdout, stderr } = await daemon.cli(args);
  t.is(stdout, "answer\n");
  t.true(stderr.startsWith(`> GET ${origin}/a\n> x-mine: yes\n> (and the headers of api`));
  t.regex(stderr, /^< HTTP 200 OK\n(< .*\n)*< x-answer: yes$/m);
  t.false(stderr.includes(TOKEN));
});

test("-s says nothing of errors; the exit code tells", async (t) => {
  const { daemon } = await startEcho(t);
  const said = await daemon.cli(["request", "api", "https://other.example/", "-s"]);
  t.deepEqual(said, { code: 6, stdout: "", stderr: "" });
  t.deepEqual(await daemon.cli(["request", "none", "/a", "-s"]), {
    code: 4,
    stdout: "",
    stderr: "",
  });
});

test("short options are combined as for curl; -sS says errors", async (t) => {
  const { seen, daemon } = await startEcho(t);
  const errors = await daemon.cli(["request", "-sS", "none", "/a"]);
  t.is(errors.code, 4);
  t.regex(errors.stderr, /none/);
  t.like(await daemon.cli(["request", "-sSfXDELETE", "api", "/a"]), { code: 0, stderr: "" });
  t.is((await daemon.cli(["request", "-sSi", "-d", "x=1", "api", "/b"])).code, 0);
  t.deepEqual(
    seen.map(({ method, url }) => `${method} ${url}`),
    ["DELETE /a", "POST /b"],
  );
});

test("a path alone goes to the only origin; with several, or none, it is not enough", async (t) => {
  const { seen, origin, daemon } = await startEcho(t);
  t.is((await daemon.cli(["request", "api", "/a?b=c"])).code, 0);
  t.is((await daemon.cli(["request", "api", "DELETE", "/d"])).code, 0);
  t.deepEqual(
    seen.map(({ method, url }) => `${method} ${url}`),
    ["GET /a?b=c", "DELETE /d"],
  );
  for (const [origins, wanted] of [
    [`${origin},https://b.example`, /several origins/],
    ["", /no origins yet: authd set api/],
  ] as const) {
    t.is((await daemon.cli(["set", "api", "--set", `origins=${origins}`])).code, 0);
    const { code, stderr } = await daemon.cli(["request", "api", "/a"]);
    t.is(code, 2);
    t.regex(stderr, wanted);
  }
  t.is(seen.length, 2);
});

test("another origin is exit 6, and nothing is sent", async (t) => {
  const { seen, daemon } = await startEcho(t);
  const { code, stderr } = await daemon.cli(["request", "api", "https://other.example/"]);
  t.is(code, 6);
  t.regex(stderr, /api/);
  t.is(seen.length, 0);
});

test("a large binary body comes through whole, and a slow reader holds nothing up", async (t) => {
  const large = randomBytes(12 * 1024 * 1024);
  const { origin, daemon } = await startEcho(t, large);
  const child = spawn(process.execPath, [MAIN, "request", "api", `${origin}/`], {
    env: daemon.env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  const closed = once(child, "close");
  // Nothing is read until another client was served.
  t.is((await daemon.cli(["get", "api"])).stdout, `${TOKEN}\n`);
  t.true((await buffer(child.stdout)).equals(large));
  t.deepEqual((await closed)[0], 0);
});

test("a reader that leaves early is no error", async (t) => {
  const { origin, daemon } = await startEcho(t, randomBytes(4 * 1024 * 1024));
  const child = spawn(process.execPath, [MAIN, "request", "api", `${origin}/`], {
    env: daemon.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  const closed = once(child, "close");
  const stderr = buffer(child.stderr);
  await once(child.stdout, "readable");
  child.stdout.destroy();
  t.is((await closed)[0], 0);
  t.is((await stderr).toString(), "");
});
