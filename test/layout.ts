/** Who may import whom, read from the sources. */

import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import test from "ava";
import { readPresets } from "../src/presets/index.ts";
import { type Import, ROOT, readSources, type Source } from "./helpers/sources.ts";

const sources = readSources();

/** Every file is of the first part that matches it. Words are what everybody may know. */
const PARTS = [
  [
    "words",
    /^(grants\/grant|vault\/vault|config\/(directories|urls)|wire\/(frames|holdings|json-bounds))\.ts$/,
  ],
  ["words", /^credential\/(backoff|lanes|record)\.ts$/],
  ["main", /^main\.ts$/],
  ["commands", /^commands\//],
  ["sandbox", /^sandbox\//],
  ["service", /^service\//],
  ["config", /^(config\/.*|config)\.ts$/],
  ["presets", /^presets\//],
  ["grants", /^grants\//],
  ["vault", /^vault\//],
  [
    "daemon",
    /^(daemon|methods|response-stream|gate|access|approvals|approvals\/.*|lock|lock\/.*|admin|candidacy|entered|register|subscriptions|harden|own-memory|notify|backup|imports|listing|portable|turns|uploads|system-clock|vault-guard|last-answers)\.ts$/,
  ],
  ["audit", /^audit(\/.*)?\.ts$/],
  ["observe", /^observe(\/.*)?\.ts$/],
  ["identity", /^identity\//],
  [
    "server",
    /^(server|framing|wire\/(admission|connection|call|cpu-budget|failure|intake|json-source|message|newcomers|outbox))\.ts$/,
  ],
  ["client", /^(client|wire\/(again|fetch|link|received-stream))\.ts$/],
  ["request", /^(request|http\/(redirect|outgoing|content))\.ts$/],
  ["http", /^http(\/.*)?\.ts$/],
  // What keeps tokens fresh.
  ["credential", /^(credential(\/.*)?|registry)\.ts$/],
  ["words", /^[\w-]+\.ts$/],
] as const;

type Part = (typeof PARTS)[number][0];

/** What each part may import beside itself and words. It points down only. */
const MAY_IMPORT: Record<Part, readonly Part[]> = {
  main: ["commands"],
  commands: [
    "audit",
    "observe",
    "sandbox",
    "service",
    "daemon",
    "client",
    "config",
    "presets",
    "grants",
    "vault",
  ],
  sandbox: ["client"],
  service: [],
  daemon: [
    "audit",
    "observe",
    "server",
    "credential",
    "request",
    "http",
    "config",
    "vault",
    "identity",
  ],
  audit: ["server"],
  observe: ["server"],
  identity: [],
  server: [],
  client: [],
  credential: ["grants", "http"],
  request: ["http"],
  config: ["presets", "grants"],
  presets: [],
  grants: [],
  vault: [],
  http: [],
  words: [],
};

/** The files of a part that others may import; of parts not named here, any. */
const DOORS: Partial<Record<Part, RegExp>> = {
  // `approve` asks with the same dialogs in a person's own session.
  daemon: /^(daemon|harden|approvals\/desktop)\.ts$/,
  audit: /^audit(\/(entry|files|head|verify))?\.ts$/,
  client: /^(client|wire\/(link|received-stream))\.ts$/,
  observe: /^observe(\/desktop)?\.ts$/,
  grants: /^grants\/(index|exchange-request)\.ts$/,
  identity: /^identity\/identities\.ts$/,
  presets: /^presets\/index\.ts$/,
  // `doctor` looks for the key without opening the vault.
  vault: /^vault\/(index|header|derived-key|keys\/index)\.ts$/,
};

/** Which files a package is for. `late`: too heavy to be loaded with a file. */
const PACKAGES: Record<string, { files: RegExp; types?: RegExp; late?: boolean }> = {
  "@clack/prompts": { files: /^commands\/(prompts|serve)\.ts$/, late: true },
  "@napi-rs/keyring": { files: /^vault\/keys\//, late: true },
  commander: { files: /^commands\// },
  "prom-client": { files: /^observe\/metrics\.ts$/, late: true },
  koffi: { files: /^libc\.ts$/, late: true },
  oauth4webapi: { files: /^grants\//, late: true },
  pino: { files: /^log\.ts$/, late: true },
  "smol-toml": { files: /^(config|presets)\// },
  undici: { files: /^http\/(transport|tunnel|connection|exchange)\.ts$/, late: true },
  "vscode-jsonrpc": {
    files: /^(server|wire\/(connection|failure))\.ts$/,
    types: /^(framing|wire\/call)\.ts$/,
  },
  zod: { files: /^zod\.ts$/ },
};

function partOf(path: string): Part | undefined {
  return PARTS.find(([, files]) => files.test(path))?.[0];
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

test("every file is of a part, and imports point down only", (t) => {
  t.deepEqual(
    sources.map(({ path }) => path).filter((path) => !partOf(path)),
    [],
  );
  const isWrong = ({ of, ours }: Import, { path }: Source) => {
    const [from, to] = [partOf(path)!, partOf(of)!];
    return ours && from !== to && to !== "words" && !MAY_IMPORT[from].includes(to);
  };
  t.deepEqual(wrongImports(isWrong), []);
});

test("the table of parts has no circle, and no row that nothing needs", (t) => {
  const below = (part: Part): Part[] => MAY_IMPORT[part].flatMap((one) => [one, ...below(one)]);
  for (const part of Object.keys(MAY_IMPORT) as Part[]) {
    t.false(below(part).includes(part));
    const used = new Set(
      sources
        .filter(({ path }) => partOf(path) === part)
        .flatMap(({ imports }) => imports.filter(({ ours }) => ours).map(({ of }) => partOf(of))),
    );
    t.deepEqual(
      MAY_IMPORT[part].filter((other) => !used.has(other)),
      [],
      part,
    );
  }
});

test("parts are reached through their doors", (t) => {
  const isWrong = ({ of, ours }: Import, { path }: Source) => {
    const part = partOf(of);
    return ours && part !== partOf(path) && DOORS[part!]?.test(of) === false;
  };
  t.deepEqual(wrongImports(isWrong), []);
});

test("only serve starts a daemon, and only sandbox starts a sandbox", (t) => {
  const isWrong = ({ of }: Import, { path }: Source) =>
    (partOf(of) === "daemon" &&
      partOf(path) === "commands" &&
      of !== "approvals/desktop.ts" &&
      path !== "commands/serve.ts") ||
    (partOf(of) === "sandbox" &&
      partOf(path) === "commands" &&
      !/^commands\/sandbox(-text)?\.ts$/.test(path));
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
    const { files, types, late } = PACKAGES[of] ?? {};
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
    ({ path }) =>
      ["credential", "grants"].includes(partOf(path)!) ||
      /^(token|timekeeper|credential\/(backoff|lanes))\.ts$/.test(path),
  );
  t.true(core.length > 20);
  for (const { path, code } of core) t.is(OWN_TIME.exec(code)?.[0], undefined, path);
  t.deepEqual(
    wrongImports(({ of }) => of === "system-clock.ts"),
    ["daemon.ts imports system-clock.ts (static)"],
  );
});

test("a preset is data: one file, which nothing else knows by name", (t) => {
  const names = readdirSync(join(ROOT, "src/presets"));
  t.deepEqual(
    names.filter((name) => extname(name) !== ".toml"),
    ["index.ts"],
  );
  // The practice APIs are each one API; what commands say are examples, in longer texts.
  const quoted = new RegExp(`["'\`](${[...readPresets().keys()].join("|")})["'\`]`);
  for (const { path, code } of sources.filter(({ path }) => !/^(commands\/)?sandbox/.test(path)))
    t.is(quoted.exec(code)?.[1], undefined, path);
});
