/** What `authd request` sends of files and standard input, and where it writes: rows of cases.json, by both commands. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { startApi } from "../helpers/api.ts";
import { start } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { copyNative, NODE_COMMAND } from "../helpers/native.ts";
import { ROOT } from "../helpers/sources.ts";

/** A row; `{url}` and `{folder}` stand for the API's address and the folder in which the command runs. */
interface Row {
  args: string[];
  input?: string;
  /** Repeats the input, for a body that no message takes. */
  times?: number;
  code: number;
  /** A regular expression for stdout and stderr together. */
  says?: string;
  /** The API gets no request. */
  sendsNothing?: boolean;
  /** The Node command does it. */
  handedOver?: boolean;
}

const { requests } = JSON.parse(readFileSync(join(ROOT, "test/native/cases.json"), "utf8")) as {
  requests: Row[];
};

const FILES = {
  "form.txt": "a=1&b=é",
  "json.txt": ' {"a": [1, 2]}',
  "broken.txt": '{"a": [1, 2',
  "empty.txt": "",
  "bytes.bin": Buffer.from([0, 255, 10, 128, 13]),
  "long.bin": Buffer.alloc(7 * 1024 * 1024 + 3, "0123456789"),
  "long.json": `[${" ".repeat(7 * 1024 * 1024)}]`,
};

test("bodies of files and standard input, and answers into files", async (t) => {
  const folder = temporaryFolder(t);
  const api = await startApi(t, ({ url, body }, response) => {
    response.setHeader("date", "Thu, 01 Jan 1970 00:00:00 GMT");
    if (url.startsWith("/moved")) response.writeHead(302, { location: "/here" }).end();
    else if (url.startsWith("/missing")) response.writeHead(404).end("nothing\n");
    else response.setHeader("x-length", body.length).end(`got ${body.length}\n`);
  });
  const credential = `grant = "static"\norigins = ["${api.origin}"]\n`;
  const config = {
    "credentials/one.toml": credential,
    "credentials/two.toml": credential.replace('"]', '", "https://two.example"]'),
    "credentials/none.toml": 'grant = "static"\n',
  };
  const { env, cli } = await startDaemon(t, { config });
  for (const name of ["one", "two", "none"])
    await cli(["set", name, "--secret", "token=-"], { input: "practice" });
  const [alone, native] = [copyNative(t), copyNative(t, NODE_COMMAND)];

  const place = join(folder, "place");
  const words = (text: string) =>
    text.replaceAll("{url}", api.origin).replaceAll("{folder}", place);
  const outcome = async (command: readonly string[], row: Row) => {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place);
    for (const [name, content] of Object.entries(FILES)) writeFileSync(join(place, name), content);
    const [program = "", ...args] = [...command, "request", ...row.args.map(words)];
    const options = { env, cwd: place, stdio: ["pipe", "pipe", "pipe"] as const };
    const { child, ended } = start(t, program, args, { ...options, stdio: [...options.stdio] });
    child.stdin!.on("error", () => {}).end((row.input ?? "").repeat(row.times ?? 1));
    const { code, stdout, stderr } = await ended;
    const got = api.seen.splice(0).map(({ method, url, headers, body }) => ({
      ...{ method, url, body: createHash("sha256").update(body).digest("hex") },
      ...{ type: headers["content-type"], length: headers["content-length"] },
      encoding: headers["transfer-encoding"],
    }));
    const written = readdirSync(place)
      .filter((name) => !Object.hasOwn(FILES, name))
      .map((name) => [name, readFileSync(join(place, name), "utf8")]);
    return { code, stdout, stderr, got, written };
  };
  for (const row of requests) {
    const title = row.args.join(" ");
    const byNode = await outcome([process.execPath, MAIN], row);
    t.deepEqual(await outcome([row.handedOver ? native : alone], row), byNode, title);
    t.is(byNode.code, row.code, `${title}: ${byNode.stderr}`);
    t.is(byNode.got.length === 0, row.sendsNothing === true, title);
    if (row.says) t.regex(byNode.stdout + byNode.stderr, new RegExp(row.says), title);
  }
  t.true(existsSync(place));
});
