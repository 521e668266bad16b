/** Bodies of `authd request` that are files, pipes, or too long for one message. */
import { randomBytes } from "node:crypto";
import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { bodyOf } from "../../src/cli/request-body.ts";
import { MAX_BODY_BYTES } from "../../src/protocol.ts";
import { start } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onLinux } from "../helpers/optional.ts";
import { startStreamingApi } from "../helpers/streaming-api.ts";
import { until } from "../helpers/until.ts";

interface Seen {
  method: string | undefined;
  headers: IncomingHttpHeaders;
  parts: Buffer[];
  ending?: "whole" | "broken";
}

/** An API that keeps what it is sent, and a daemon with a static token for it. */
async function setup(t: ExecutionContext) {
  const seen: Seen[] = [];
  const origin = await startStreamingApi(t, async (request, response) => {
    const entry: Seen = { method: request.method, headers: request.headers, parts: [] };
    seen.push(entry);
    try {
      for await (const part of request) entry.parts.push(part);
      entry.ending = "whole";
      response.end("thanks\n");
    } catch {
      entry.ending = "broken";
    }
  });
  const daemon = await startDaemon(t);
  const settings = ["--grant", "static", "--set", `origins=${origin}`, "--secrets-from", "-"];
  const added = await daemon.cli(["add", "api", ...settings], { input: '{"token":"made-up"}' });
  t.is(added.code, 0, added.stderr);
  const send = async (args: readonly string[], input?: Buffer) => {
    const given = input === undefined ? {} : { input };
    const said = await daemon.cli(["request", "api", ...args], given);
    t.deepEqual(said, { code: 0, stdout: "thanks\n", stderr: "" });
    const { parts, ...rest } = seen.at(-1)!;
    return { body: Buffer.concat(parts), ...rest };
  };
  const file = (name: string, content: Buffer | string) => {
    const path = join(daemon.folder, name);
    writeFileSync(path, content);
    return path;
  };
  return { daemon, origin, seen, send, file };
}

test("-T sends a file or standard input by PUT, as it is", async (t) => {
  const { origin, send, file, daemon, seen } = await setup(t);
  const bytes = randomBytes(MAX_BODY_BYTES + 1_000_000);
  const sent = await send([`${origin}/`, "-T", file("body", bytes)]);
  t.is(sent.method, "PUT");
  t.is(sent.headers["content-length"], `${bytes.length}`);
  t.is(sent.headers["content-type"], undefined);
  t.true(sent.body.equals(bytes));

  const empty = await send(["POST", `${origin}/`, "-T", file("empty", "")]);
  t.is(empty.method, "POST");
  t.is(empty.headers["content-length"], "0");

  const piped = await send([`${origin}/`, "-T", "-"], bytes);
  t.is(piped.headers["transfer-encoding"], "chunked");
  t.true(piped.body.equals(bytes));

  const count = seen.length;
  for (const [args, says] of [
    [["-T", "/nowhere"], /-T \/nowhere: ENOENT/],
    [["-T", daemon.folder], /it is a folder/],
    [["-T", "-", "-d", "x"], /-d or -T, not both/],
  ] as const) {
    const { code, stderr } = await daemon.cli(["request", "api", `${origin}/`, ...args]);
    t.is(code, 2, stderr);
    t.regex(stderr, says);
  }
  t.is(seen.length, count);
});

test("-d sends a file or a pipe of any length, and tells JSON from a form by its beginning", async (t) => {
  const { origin, send, file } = await setup(t);
  const json = Buffer.from(JSON.stringify({ words: Array(2_000_000).fill("a") }));
  t.true(json.length > MAX_BODY_BYTES);
  const read = await send([`${origin}/`, "-d", `@${file("long.json", json)}`]);
  t.is(read.method, "POST");
  t.is(read.headers["content-length"], `${json.length}`);
  t.is(read.headers["content-type"], "application/json");
  t.true(read.body.equals(json));

  const piped = await send([`${origin}/`, "-d", "@-"], json);
  t.is(piped.headers["transfer-encoding"], "chunked");
  t.is(piped.headers["content-type"], "application/json");
  t.true(piped.body.equals(json));

  const long = file("long", "b".repeat(MAX_BODY_BYTES + 1));
  const form = await send([`${origin}/`, "-d", "a=1", "-d", `@${long}`, "-d", "c"]);
  t.is(form.headers["content-type"], "application/x-www-form-urlencoded");
  t.is(form.headers["content-length"], `${MAX_BODY_BYTES + 1 + "a=1&".length + "&c".length}`);
  t.is(form.body.toString(), `a=1&${"b".repeat(MAX_BODY_BYTES + 1)}&c`);
});

test("Ctrl-C ends an upload, and the API does not get its end", async (t) => {
  const { origin, seen, daemon } = await setup(t);
  const args = [MAIN, "request", "api", `${origin}/`, "-T", "-"];
  const stdio = ["pipe", "pipe", "pipe"] as const;
  const { child, ended } = start(t, process.execPath, args, { env: daemon.env, stdio: [...stdio] });
  child.stdin!.write("begun");
  await until(() => seen[0]?.parts.length === 1);
  child.kill("SIGINT");
  await ended;
  await until(() => seen[0]?.ending !== undefined);
  t.is(seen[0]?.ending, "broken");
  await until(async () => (await audited(daemon)).length === 1);
  t.like((await audited(daemon))[0], { outcome: "cancelled", event: "refusal" });
});

/** The lines about requests. */
async function audited(daemon: { cli: (args: string[]) => Promise<{ stdout: string }> }) {
  const { stdout } = await daemon.cli(["audit", "--json"]);
  const lines = stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
  return lines.filter(({ method = "" }) => /request/i.test(method));
}

onLinux("what is no file is refused, and not left open", async (t) => {
  const folder = temporaryFolder(t);
  const descriptors = "/proc/self/fd";
  const openedHere = () =>
    readdirSync(descriptors).filter((fd) => {
      try {
        return readlinkSync(join(descriptors, fd)) === folder;
      } catch {
        return false;
      }
    });
  await t.throwsAsync(bodyOf([], folder), { message: /-T .*: it is a folder/ });
  await t.throwsAsync(bodyOf([`@${folder}`], undefined), { message: /-d @.*: it is a folder/ });
  t.deepEqual(openedHere(), []);
});
