/** Who may import whom, read from the sources. */

import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import test from "ava";
import { shippedPresets } from "../src/config/presets.ts";
import { type Import, ROOT, readSources, type Source } from "./helpers/sources.ts";

const sources = readSources();

/** The rooms of src, in their order: imports point down this list. */
const ROOMS = [
  "main",
  "cli",
  "helpers",
  "sandbox",
  "client",
  "service",
  "daemon",
  "admin",
  "lock",
  "access",
  "observe",
  "audit",
  "rpc",
  "request",
  "credential",
  "http",
  "config",
  "presets",
  "grants",
  "vault",
  "base",
  "errors",
  "protocol",
] as const;

type Room = (typeof ROOMS)[number];

/** Folders of test without a room: whole programs, the repository itself, and what tests are made of. */
const OTHER_TESTS = [
  ...[
    "abuse",
    "bad-input",
    "clients",
    "conformance",
    "e2e",
    "habits",
    "helpers",
    "native",
    "properties",
    "repository",
    "servers",
    "store",
    "system",
    "tools",
    "windows",
  ],
];

/** The most entries side by side in src. */
const MOST_ENTRIES = 24;
/** The most lines of a file of middling length. */
const MOST_MEDIAN_LINES = 110;

/** The files of a room that others may import; of rooms not named here, any. */
const DOORS: Partial<Record<Room, RegExp>> = {
  daemon: /^daemon\/(daemon|harden)\.ts$/,
  admin:
    /^admin\/(admin|backup|consent|import-journal|login\/login-service|reloader|shared-credentials|token-files\/token-files)\.ts$/,
  lock: /^lock\/(lock-errors|logind|vault-lock-interceptor|vault-locker)\.ts$/,
  observe: /^observe\/(desktop-notifier|observe|problems)\.ts$/,
  audit: /^audit\/(audit|entry|files|head|verify)\.ts$/,
  request: /^request\/(kept-url|request|response-body|upload|upload-body|validate-request)\.ts$/,
  http: /^http\/(content|http|issuer|issuer-clock|memory-server|transport-error)\.ts$/,
  grants:
    /^grants\/(answer-condition|answer-reason|endpoint|generated-values|grant|index|exchange-request|lifetime-setting|response-settings|rotated-token|login\/index)\.ts$/,
  presets: /^$/,
  config:
    /^config\/(accounts|allow-rule|binding|config|differences|directories|json-table|kept-origins|origin-pattern|policy|preset|settings|toml|urls)\.ts$/,
  // `doctor` looks for the key without opening the vault.
  vault:
    /^vault\/(index|vault|header|derived-key|passphrase-strength|keys\/index|store\/index)\.ts$/,
};

/** Which files a package is for. `late`: too heavy to be loaded with a file, but for one that a program asks for. */
const PACKAGES: Record<string, { files: RegExp; types?: RegExp; late?: boolean; with?: RegExp }> = {
  "@clack/prompts": { files: /^cli\/(prompts|serve)\.ts$/, late: true },
  "@napi-rs/keyring": { files: /^vault\/keys\//, late: true },
  "@smithy/signature-v4": { files: /^grants\/aws-signature\.ts$/, late: true },
  commander: { files: /^cli\// },
  "fast-string-width": { files: /^cli\/style\.ts$/ },
  "prom-client": {
    files: /^observe\/metrics\.ts$/,
    types: /^observe\/store-metrics\.ts$/,
    late: true,
  },
  "tough-cookie": { files: /^grants\/cookie-jar\.ts$/, late: true },
  tldts: { files: /^config\/origin-pattern\.ts$/, late: true },
  jose: { files: /^grants\//, late: true },
  koffi: { files: /^base\/(libc|windows\/api)\.ts$/, late: true },
  oauth4webapi: { files: /^grants\//, late: true },
  pg: { files: /^vault\/store\/postgres\//, late: true },
  pino: { files: /^base\/log\.ts$/, late: true },
  "smol-toml": { files: /^config\// },
  undici: {
    files: /^http\/(transport|tunnel|connector|connection|response-handler)\.ts$/,
    types: /^client\/undici-handler\.ts$/,
    late: true,
    with: /^client\/undici\.ts$/,
  },
  uqr: { files: /^cli\/login\//, late: true },
  "vscode-jsonrpc": {
    files: /^rpc\/(connection|dispatcher|message-writer|response-error)\.ts$/,
    types: /^rpc\/(json-rpc-transport|call)\.ts$/,
  },
  zod: { files: /^base\/zod\.ts$/ },
};

function roomOf(path: string): Room {
  return path.split("/")[0]!.replace(/\.ts$/, "") as Room;
}

/** Each import of a file in src, as `a.ts imports b.ts`, for which `isWrong`. */
function wrongImports(isWrong: (imported: Import, source: Source) => boolean): string[] {
  return sources.flatMap((source) =>
    source.imports
      .filter((imported) => isWrong(imported, source))
      .map(({ of, kind }) => `${source.path} imports ${of} (${kind})`),
  );
}

test("the sources were read", (t) => {
  t.true(sources.length > 150);
  t.true(sources.flatMap(({ imports }) => imports).length > 700);
  const paths = new Set(sources.map(({ path }) => path));
  t.deepEqual(
    wrongImports(({ of, ours }) => ours && !paths.has(of)),
    [],
  );
});

test("every file is in a room, and imports point down only, those of types too", (t) => {
  t.deepEqual(
    sources.map(({ path }) => path).filter((path) => !ROOMS.includes(roomOf(path))),
    [],
  );
  const isWrong = ({ of, ours }: Import, { path }: Source) => {
    const [from, to] = [roomOf(path), roomOf(of)];
    return ours && ROOMS.indexOf(from) > ROOMS.indexOf(to);
  };
  t.deepEqual(wrongImports(isWrong), []);
});

test("a newcomer sees few rooms, and small files", (t) => {
  t.true(readdirSync(join(ROOT, "src")).length <= MOST_ENTRIES);
  const lines = sources
    .map(({ path }) => readFileSync(join(ROOT, "src", path), "utf8").split("\n").length)
    .sort((one, other) => one - other);
  t.true(lines[Math.floor(lines.length / 2)]! <= MOST_MEDIAN_LINES);
});

test("test mirrors src", (t) => {
  const inSrc = new Set(
    readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).concat("layout.ts"),
  );
  const entries = readdirSync(join(ROOT, "test"), { recursive: true, withFileTypes: true })
    .map((entry) => ({ entry, path: relative("test", relative(ROOT, fullPath(entry))) }))
    .filter(({ path }) => !OTHER_TESTS.includes(path.split("/")[0]!));
  t.true(entries.length > 100);
  // A room's tests may be named by subject; folders, and files beside the rooms, are those of src.
  const isStray = ({ entry, path }: (typeof entries)[number]) =>
    (entry.isDirectory() || !path.includes("/")) && !inSrc.has(path);
  t.deepEqual(
    entries.filter(isStray).map(({ path }) => path),
    [],
  );
});

const fullPath = ({ parentPath, name }: Dirent) => join(parentPath, name);

test("rooms are reached through their doors", (t) => {
  const isWrong = ({ of, ours }: Import, { path }: Source) => {
    const room = roomOf(of);
    return ours && room !== roomOf(path) && DOORS[room]?.test(of) === false;
  };
  t.deepEqual(wrongImports(isWrong), []);
});

test("only serve starts a daemon, and only sandbox starts a sandbox", (t) => {
  const isWrong = ({ of }: Import, { path }: Source) =>
    (roomOf(of) === "daemon" && roomOf(path) === "cli" && path !== "cli/serve.ts") ||
    (roomOf(of) === "sandbox" &&
      roomOf(path) === "cli" &&
      !/^cli\/sandbox(-text)?\.ts$/.test(path));
  t.deepEqual(wrongImports(isWrong), []);
});

test("no file waits for itself to be loaded", (t) => {
  const next = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter(({ ours, kind }) => ours && kind === "static").map(({ of }) => of),
    ]),
  );
  const done = new Set<string>();
  const circle = (path: string, trail: string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const one of next.get(path) ?? []) {
      const found = circle(one, [...trail, path]);
      if (found) return found;
    }
    done.add(path);
    return undefined;
  };
  for (const { path } of sources) t.is(circle(path, [])?.join(" → "), undefined);
});

test("each package is imported by the files that it is for, heavy ones late", (t) => {
  const isWrong = ({ of, ours, kind }: Import, { path }: Source) => {
    if (ours || of.startsWith("node:")) return false;
    const { files, types, late, with: entry } = PACKAGES[of] ?? {};
    if (entry?.test(path)) return false;
    const allowed = files?.test(path) || (kind === "type" && types?.test(path));
    return !allowed || (late === true && kind === "static");
  };
  t.deepEqual(wrongImports(isWrong), []);
});

test("the package depends on what it imports, and on nothing else", (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    dependencies: object;
  };
  t.deepEqual(Object.keys(PACKAGES).sort(), Object.keys(dependencies).sort());
  const imported = new Set(sources.flatMap(({ imports }) => imports.map(({ of }) => of)));
  for (const name of Object.keys(PACKAGES)) t.true(imported.has(name), name);
});

test("what keeps tokens fresh asks the injected clock, and nothing else, for the time", (t) => {
  const OWN_TIME =
    /\b(Date\.now|new Date\(\)|performance\.now|hrtime|uptime|setTimeout|setInterval|Math\.random)\b/;
  const core = sources.filter(
    ({ path }) => ["credential", "grants"].includes(roomOf(path)) || path === "base/timekeeper.ts",
  );
  t.true(core.length > 20);
  for (const { path, code } of core) t.is(OWN_TIME.exec(code)?.[0], undefined, path);
  t.deepEqual(
    wrongImports(({ of }) => of === "daemon/system-clock.ts"),
    ["daemon/foundation.ts imports daemon/system-clock.ts (static)"],
  );
});

test("a preset is data: one file, which nothing else knows by name", (t) => {
  const names = readdirSync(join(ROOT, "src/presets"));
  t.deepEqual(
    names.filter((name) => extname(name) !== ".toml"),
    [],
  );
  // The practice APIs are each one API; what commands say are examples, in longer texts.
  const quoted = new RegExp(`["'\`](${[...shippedPresets().byName.keys()].join("|")})["'\`]`);
  for (const { path, code } of sources.filter(({ path }) => !/^(cli\/)?sandbox/.test(path)))
    t.is(quoted.exec(code)?.[1], undefined, path);
});
