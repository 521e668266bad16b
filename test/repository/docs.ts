import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { parse } from "smol-toml";
import { MAX_ID_BYTES } from "../../src/base/json-text.ts";
import { EXIT, EXIT_CODE } from "../../src/cli/exit-code.ts";
import { resolveCredential } from "../../src/config/config.ts";
import { shippedPresets } from "../../src/config/presets.ts";
import { clientAuthMethods } from "../../src/grants/client-auth.ts";
import { grants } from "../../src/grants/index.ts";
import {
  DEFAULT_MAX_RESPONSE_BYTES,
  DEFAULT_TIMEOUT_MS,
  MAX_BODY_BYTES,
  MAX_CHUNK_BYTES,
  MAX_FRAME_BYTES,
  type Method,
} from "../../src/protocol.ts";
import { MAX_RESPONSE_BYTES } from "../../src/request/request-error.ts";
import { AGAIN, mayRepeat } from "../../src/rpc/again.ts";
import { params } from "../../src/rpc/params.ts";
import { startPracticeApis } from "../../src/sandbox/index.ts";
import { install } from "../helpers/bin.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { readDocument } from "../helpers/markdown.ts";
import { absent, missing } from "../helpers/optional.ts";

const protocol = readDocument("docs/protocol.md");
const cli = readDocument("docs/cli.md");
const configuration = readDocument("docs/configuration.md");
const presetsDocument = readDocument("docs/presets.md");
const MiB = 1024 * 1024;

// ---- examples in other languages ----

/** The file that a block names in its first line, such as `# authd.py`. */
const nameOf = (block: string) => /^(?:#|<\?php \/\/) (\S+)$/m.exec(block)?.[1] ?? "";

/** A folder with every example of a language, and a daemon whose `labelf` is a practice API. */
async function examples(t: ExecutionContext, language: string) {
  const daemon = await startDaemon(t);
  const apis = await startPracticeApis();
  t.teardown(() => Promise.all(Object.values(apis).map((api) => api.close())));
  const { labelf } = apis;
  t.is((await daemon.add("labelf", labelf)).code, 0);
  // A version manager's programs look for it in the real home.
  const place = install(t, { ...daemon.env, HOME: process.env.HOME });
  const blocks = protocol.section("Examples").blocks(language);
  for (const block of blocks) {
    const text = block.replaceAll("https://api.app.labelf.ai", labelf.url);
    writeFileSync(join(place.folder, nameOf(block)), text);
  }
  return { ...place, labelf, files: blocks.map(nameOf) };
}

for (const { language, program, ending } of [
  { language: "python", program: "python3", ending: "py" },
  { language: "php", program: "php", ending: "php" },
]) {
  test(`every example in ${language} runs`, async (t) => {
    if (absent(program).length > 0) return missing(t, `${program} is not installed`);
    const place = await examples(t, language);
    const said = async (name: string) => {
      const { code, stdout, stderr } = await place.run(program, [`${name}.${ending}`]);
      t.is(code, 0, `${name}: ${stdout}${stderr}`);
      return stdout;
    };
    t.regex(await said("get_token"), /Guest reviews/);
    const { tokenRequests } = place.labelf.stats;
    t.regex(await said("request"), /^200 .*negative/s);
    t.is(place.labelf.stats.tokenRequests, tokenRequests);
    t.regex(await said("errors"), /^unknown_credential \| .*Did you mean "labelf"/);
    if (language !== "python") return undefined;
    // A token that was revoked: the 401 is answered with a new one.
    place.labelf.expireTokens();
    t.regex(await said("get_token"), /Guest reviews/);
    t.regex(await said("errors"), /^origin_not_allowed \| /m);
    t.regex(await said("stream"), /^200 application\/json/);
    // It goes on after the end of its first connection.
    t.regex(await said("long_lived"), /True\n$/);
    return t.regex(readFileSync(join(place.folder, "models.json"), "utf8"), /Guest reviews/);
  });
}

test("every example in shell runs", async (t) => {
  const place = await examples(t, "sh");
  t.deepEqual(place.files, ["commands.sh", "lines.sh", "base.sh"]);
  const commands = await place.run("bash", ["commands.sh"]);
  t.is(commands.code, 0, commands.stderr);
  t.regex(commands.stdout, /Guest reviews.*negative.*no such credential/s);
  if (absent("nc").length > 0)
    return missing(t, "nc is not installed (Debian package netcat-openbsd)");
  const lines = await place.run("bash", ["lines.sh"]);
  t.like(JSON.parse(lines.stdout), { id: 1, result: { tokenType: "Bearer" } });
  const base = await place.run("bash", ["base.sh"]);
  const [head, body = ""] = base.stdout.split("\r\n\r\n");
  t.is(head, `Content-Length: ${Buffer.byteLength(body)}`);
  return t.like(JSON.parse(body), { result: { credentials: [{ name: "labelf" }] } });
});

// ---- what is said of the program ----

test("the methods, grants, exit codes and limits are the program's", (t) => {
  const [methods = ""] = protocol.section("Methods").blocks("ts");
  for (const method of Object.keys(params)) t.true(methods.includes(method), method);
  for (const name of Object.keys(grants)) {
    t.regex(
      configuration.section("Grants and their fields").text,
      new RegExp(`^\\| \`${name}\``, "m"),
    );
  }
  // The second table has keys of its own.
  const [valuesOfClients = ""] = configuration.section("client_auth").text.split(/^\| key /m);
  const methodsOfClients = valuesOfClients.match(/(?<=^\| `)[^`]+/gm);
  t.deepEqual(methodsOfClients?.sort(), [...clientAuthMethods].sort());
  const codes = cli.section("Exit codes").text;
  for (const [reason, code] of Object.entries(EXIT_CODE)) {
    if (code !== EXIT.failed) t.regex(codes, new RegExp(`^\\| ${code} .*\`${reason}\``, "m"));
    t.true(protocol.section("Errors").text.includes(`\`${reason}\``), reason);
  }
  const limits = protocol.section("Limits").text;
  t.true(limits.includes(`| ${MAX_FRAME_BYTES / MiB} MiB, whole`));
  t.true(limits.includes(`| ${MAX_BODY_BYTES / MiB} MiB |`));
  const [usual, most] = [DEFAULT_MAX_RESPONSE_BYTES / MiB, MAX_RESPONSE_BYTES / MiB];
  t.true(limits.includes(`${usual} MiB, or \`maxResponseBytes\` up to ${most} MiB`));
  const requests = protocol.section("authorizedRequest").text;
  t.true(requests.includes(`A chunk is at most ${MAX_CHUNK_BYTES / 1024} KiB before base64`));
  t.true(requests.includes(`of at most ${MAX_ID_BYTES} bytes`));
  t.true(protocol.section("Socket").text.includes(`An id has at most ${MAX_ID_BYTES}`));
  t.true(methods.includes(`timeoutMs?: number /* ${DEFAULT_TIMEOUT_MS / 1000}_000 */`));
});

test("what may be sent again is what the client does", (t) => {
  const rows = protocol.section("The end of a connection").text.match(/^\| `.*$/gm) ?? [];
  const told = rows.flatMap((row) => {
    const [, methods = "", again = ""] = row.split("|");
    return Array.from(methods.matchAll(/`([^`]+)`/g), ([, method]) => [method, again.trim()]);
  });
  const words = {
    yes: /^yes$/,
    method: /^with GET, HEAD, OPTIONS, PUT and DELETE/,
    anew: /^from the first part on/,
    look: /^look first, with `/,
    no: /^no: /,
  };
  t.deepEqual(told.map(([method]) => method).sort(), Object.keys(AGAIN).sort());
  for (const [method, again = ""] of told) {
    t.regex(again, words[AGAIN[method as Method]], method);
    t.is(mayRepeat(method as Method, { method: "POST" }), again === "yes");
  }
  for (const method of ["GET", "put", "DELETE", undefined]) {
    t.true(mayRepeat("authorizedRequest", { ...(method && { method }) }));
    t.false(mayRepeat("authorizedRequest", { ...(method && { method }), stream: true }));
  }
});

test("every event, problem and metric has its row", async (t) => {
  const source = readDocument("src/protocol.ts").text;
  const members = (type: string) =>
    (new RegExp(`type ${type} =([^;]*);`).exec(source)?.[1] ?? "").match(/\w+/g) ?? [];
  const events = protocol.section("Events").text;
  t.is(members("EventKind").length, 25);
  for (const kind of members("EventKind")) t.regex(events, new RegExp(`^\\|.*\`${kind}\``, "m"));
  for (const reason of members("ProblemReason")) t.true(events.includes(`\`${reason}\``), reason);
  const metrics = readDocument("src/observe/metrics.ts").text.match(/"authd_\w+"/g) ?? [];
  t.is(metrics.length, 9);
  const reporting = configuration.section("Reporting").text;
  for (const name of metrics) t.true(reporting.includes(`\`${name.slice(1, -1)}\``), name);
});

test("no document has a secret of a store written into a file that others can read", (t) => {
  const { text } = readDocument("docs/fleet.md");
  const written = text.match(/^.*authd fleet (invite|key) .*>.*$/gm) ?? [];
  t.true(written.length >= 3);
  for (const line of written) t.regex(line, /^\(umask 077; authd fleet [^)]*\)/);
});

// ---- credential files and presets ----

test("every credential file in the documents is one", (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "company-ca.pem"), createAuthority().ca, { mode: 0o600 });
  for (const [document, count] of [
    [configuration.section("Credential files"), 8],
    [configuration.section("Grants and their fields"), 3],
    [presetsDocument, 9],
  ] as const) {
    const files = document
      .blocks("toml")
      .filter((block) => /^(preset|grant) = /m.test(block) && !/^title = /m.test(block));
    t.true(files.length >= count);
    for (const file of files) {
      t.notThrows(() => resolveCredential("example", parse(file), {}, { configDir: folder }), file);
    }
  }
});

test("presets.md: the example of a preset works", (t) => {
  const folder = temporaryFolder(t);
  const block = presetsDocument.blocks("toml").find((each) => /^title = /m.test(each)) ?? "";
  mkdirSync(join(folder, "presets"));
  writeFileSync(join(folder, "presets", "acme.toml"), block);
  const resolve = (more: Record<string, string>) =>
    resolveCredential("x", { preset: "acme", ...more }, {}, { configDir: folder });
  const settings = resolve({ account: "a b", environment: "live" });
  t.like(settings, {
    grant: "exchange",
    origins: ["https://api.acme.example"],
    headers: {
      authorization: "Bearer {token}",
      "x-account": "a b",
      "x-api-key": "{secret.api_key}",
    },
    own: { request: { url: "https://api.acme.example/v1/sessions" } },
    verify: { method: "GET", url: "https://api.acme.example/v1/me" },
  });
  t.deepEqual(
    settings.secrets.map(({ name }) => name),
    ["api_key"],
  );
  t.like(resolve({ account: "a", environment: "test" }), {
    origins: ["https://test.acme.example"],
  });
  t.like(resolve({ account: "a", base_url: "http://localhost:8080/v1" }), {
    origins: ["http://localhost:8080"],
  });
});

test("presets.md: every shipped preset has a part, with its fields", (t) => {
  for (const { name, title, fields } of shippedPresets().byName.values()) {
    const { text } = presetsDocument.section(title);
    t.true(text.includes(`\`${name}\``), name);
    for (const field of fields)
      t.true(text.includes(`\`${field.name}\``), `${name}: ${field.name}`);
  }
});

test("the documents name tests and sources that exist", (t) => {
  for (const path of [
    ...["docs/security.md", "docs/architecture.md", "docs/presets.md"],
    ...["docs/decisions.md", "CONTRIBUTING.md"],
  ]) {
    const { text } = readDocument(path);
    for (const [name] of text.matchAll(
      /(?<=`)(?:src|test|bench|scripts|systemd|launchd|schemas)\/[\w./-]+\.\w+(?=`)/g,
    )) {
      t.notThrows(
        () => readFileSync(new URL(`../../../${name}`, import.meta.url)),
        `${path}: ${name}`,
      );
    }
  }
});

test("architecture.md: the rooms are those of src", (t) => {
  const [rooms = ""] = readDocument("docs/architecture.md").section("Rooms").blocks("");
  const there = readdirSync(new URL("../../../src", import.meta.url), { withFileTypes: true })
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .sort();
  const told = Array.from(rooms.matchAll(/^ {2}([\w.-]+\/?) +\S/gm), (match) => match[1]!).sort();
  t.deepEqual(told, there);
});

test("architecture.md: files and constants of the refresh rules are there", (t) => {
  const { text } = readDocument("docs/architecture.md").section("Refresh rules");
  const rows = text.split("\n").filter((line) => /^\| (?!condition|---)/.test(line));
  t.true(rows.length > 50);
  for (const row of rows) {
    const [, , , constants = "", where = ""] = row.split("|");
    const files = Array.from(
      `${constants} ${where}`.matchAll(/`([\w/-]+\.ts)`/g),
      ([, name]) => name,
    );
    t.true(files.length > 0, row);
    const sources = files.map((name) => readDocument(`src/${name}`).text).join("\n");
    for (const [, name = ""] of constants.matchAll(/`([A-Z][A-Z_]+)(?:\.\w+)?`/g))
      t.true(
        sources.includes(`const ${name} =`) || sources.includes(`const ${name}:`),
        `${name}: ${row}`,
      );
  }
});

test("CONTRIBUTING.md: scripts and helpers are there", (t) => {
  const { text } = readDocument("CONTRIBUTING.md");
  const { scripts } = JSON.parse(readDocument("package.json").text) as { scripts: object };
  for (const [, name = ""] of text.matchAll(/`npm run ([\w:]+)/g)) t.true(name in scripts, name);
  const helpers = Array.from(text.matchAll(/^\| ((?:`[\w-]+\.ts`(?:, )?)+)((?: `\w+`,?)*)/gm));
  t.true(helpers.length > 8);
  for (const [row, files = "", names = ""] of helpers) {
    const sources = Array.from(
      files.matchAll(/[\w-]+\.ts/g),
      ([file]) => readDocument(`test/helpers/${file}`).text,
    );
    for (const [name] of names.matchAll(/\w+/g))
      t.regex(sources.join("\n"), new RegExp(`export .*\\b${name}\\b`), row);
  }
});
