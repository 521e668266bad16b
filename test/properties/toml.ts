/** TOML: whatever a file holds, it is settings or an error that says where, and it is written back as it was. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import {
  credentialFileText,
  loadConfiguration,
  type Table,
  updateCredentialFile,
} from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import type { Scope } from "../helpers/scope.ts";
import { type Mutation, mutated, mutation, oddJson, oddText } from "./odd.ts";
import { type Checkable, demand, type Property } from "./property.ts";

export const toml: readonly Property[] = [
  { name: "toml-mutated", runs: 150, start: mutatedFiles },
  { name: "toml-settings", runs: 150, start: anySettings },
  { name: "toml-round-trip", runs: 500, start: () => roundTrip },
];

/** Milliseconds; the longest file here takes a hundredth of it. */
const FOR_EVER = 5_000;
/** Where a value is wanted: no message may quote it, as somebody may have put a secret there. */
const VALUE = "practice-value-of-a-setting";

const FILES = [
  `preset = "labelf"\nclient_id = "${VALUE}"\n`,
  `# A comment\npreset = "realtyna"\nclient_id = 'x'\nreferer = "https://a.example"\ntoken_url = "https://a.example/token"\napi_url = "https://b.example"\n`,
  `grant = "exchange"\norigins = ["https://a.example", "https://b.example:8443"]\nsecrets = ["api_token"]\nttl = 1_000.5\nsecret_expires = 2030-01-31\n\n[request]\nurl = "https://a.example/{where}"\nheaders = { x-a = "{secret.api_token}", "x-b" = "b" }\n\n[request.json]\nkey = ["""\n{secret.api_token}""", 1, true]\n\n[response]\ntoken = "/data/0/token"\n\n[fields]\nwhere = "\\u00e5"\n`,
  `grant = "password"\ntoken_url = "http://127.0.0.1:8000/token"\nusername = "me"\nsend_grant_type = false\nverify = { url = "https://a.example/" }\nallow_insecure_http = true\nextra = { a.b = 1, c = "x" }\n`,
];

const CONFIG = `vault_key = "file"\nlog_level = "info"\nmax_connections = 64\nproxy = "http://localhost:3128"\n\n[defaults]\nwarm = "always"\nttl = 60\nheaders = { x-a = "b" }\n`;

const SNIPPETS = [
  ...["[[request]]", "[a.b.c]", "__proto__ = 1", '"__proto__" = { polluted = true }', "a.a = 1"],
  ...["[__proto__]", "[constructor.prototype]", "polluted = 1", "[request.__proto__]", "\r", "\0"],
  ...["= 1", "x = [", "x = {", '"""', "'''", "x = 9223372036854775808", "x = nan", "x = -inf"],
  ...["x = 1979-05-27T07:32:00Z", "x = 25:61:61", "\\uD800", "grant = 1", "preset = []"],
  ...[`${"a.".repeat(3_000)}a = 1`, `x = ${"[".repeat(3_000)}`, `x = ${"{a=".repeat(3_000)}`],
  ...[`x = "${"\\\\".repeat(2_000)}`, `x = ${"1_".repeat(2_000)}`, `# ${"x".repeat(10_000)}`],
];

/** Changes that know TOML, beside those that don't. */
const snippet: fc.Arbitrary<Mutation> = fc
  .tuple(
    fc.constantFrom(...SNIPPETS),
    fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  )
  .map(([text, at]) => ({ kind: "put", at, bytes: Buffer.from(`\n${text}\n`) }));

const changes = fc.array(fc.oneof(snippet, mutation), { maxLength: 4 });

function folder(scope: Scope): (file: string, content: string | Uint8Array) => void {
  const dir = temporaryFolder(scope);
  mkdirSync(join(dir, "credentials"), { mode: 0o700 });
  return (file, content) => {
    writeFileSync(join(dir, file), content, { mode: 0o600 });
    look(dir, file);
  };
}

/** Loads the folder: settings for its one credential or an error that names the file. */
function look(dir: string, file: string): void {
  const startedAt = performance.now();
  try {
    const { credentials, errors } = loadConfiguration({ dir, env: {} });
    demand(credentials.size + errors.length <= 1, "more than there are files");
    for (const { file: named, message } of errors) {
      demand(named === join(dir, "credentials/demo.toml"), `the error names ${named}`);
      isTold(message);
    }
    for (const settings of credentials.values()) demand(Object.isFrozen(settings), "not frozen");
  } catch (error) {
    demand(error instanceof AuthdError && error.reason === "invalid_params", `${error}`);
    demand(file === "config.toml" && error.message.includes(join(dir, file)), error.message);
    isTold(error.message);
  }
  demand(performance.now() - startedAt < FOR_EVER, "it took for ever");
  const strange = Object.getOwnPropertyNames(Object.prototype).length;
  demand(strange === OWN && !("polluted" in {}), "Object.prototype was changed");
}

const OWN = Object.getOwnPropertyNames(Object.prototype).length;

function isTold(message: string): void {
  demand(/\S/.test(message) && message.length < 20_000, `a message of ${message.length} letters`);
}

function mutatedFiles(scope: Scope): Checkable {
  const load = folder(scope);
  const file = fc.oneof(
    fc.constantFrom(...FILES).map((text) => ["credentials/demo.toml", text] as const),
    fc.constant(["config.toml", CONFIG] as const),
  );
  return fc.property(file, changes, ([name, text], changes) => {
    try {
      load(name, mutated(Buffer.from(text), changes));
    } finally {
      if (name === "config.toml") writeEmpty(load);
    }
  });
}

/** What is wrong with config.toml would stand in the way of everything after it. */
function writeEmpty(load: ReturnType<typeof folder>): void {
  load("config.toml", "");
}

const KEYS = [
  ...["origins", "headers", "ttl", "warm", "verify", "ca_file", "allow_insecure_http", "fields"],
  ...["secret_expires", "rejected_statuses", "token_url", "client_id", "client_auth", "scope"],
  ...["audience", "resource", "extra", "username", "otp_field", "request", "response", "secrets"],
  ...["base_url", "region", "token_path", "constructor", "client_secret", "x"],
];

const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(VALUE, `https://${VALUE}/`, [VALUE], { a: VALUE }, { url: VALUE }),
  fc.constantFrom("https://a.example/token", "http://a.example", "https://u:p@a.example", "{x}"),
  oddText,
  oddJson,
);

/** TOML has no null, and no text with half a character; smol-toml writes neither. */
function writable(value: unknown): boolean {
  if (value === null) return false;
  if (typeof value === "string") return Buffer.from(value).toString() === value;
  if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value);
  if (typeof value !== "object") return true;
  return Object.entries(value).every(
    ([key, inner]) => key !== "__proto__" && writable(key) && writable(inner),
  );
}

/** Known keys with values of any type: what is said of them quotes none, but for a file's name. */
function anySettings(scope: Scope): Checkable {
  const dir = temporaryFolder(scope);
  mkdirSync(join(dir, "credentials"), { mode: 0o700 });
  const settings = fc.dictionary(fc.constantFrom(...KEYS), value.filter(writable), { maxKeys: 6 });
  const kind = fc.constantFrom<Table>(
    ...[{ grant: "client_credentials" }, { grant: "exchange" }, { preset: "zebbra" }],
    ...[{ grant: "refresh_token" }, { preset: "onestepai" }, { grant: "static" }, {}],
  );
  const file = join("credentials", "demo.toml");
  return fc.property(kind, settings, (kind, settings) => {
    writeFileSync(join(dir, file), stringify({ ...settings, ...kind }), { mode: 0o600 });
    look(dir, file);
    const [error] = loadConfiguration({ dir, env: {} }).errors;
    const isNamed = typeof settings.ca_file === "string" && error?.message.includes(": ca_file ");
    demand(isNamed || !error?.message.includes(VALUE), `quoted: ${error?.message}`);
  });
}

const table: fc.Arbitrary<Table> = fc.dictionary(
  fc
    .oneof(fc.constantFrom(...KEYS, "a.b", "", "å", '"'), oddText)
    .filter((key) => !["preset", "__proto__"].includes(key) && writable(key)),
  oddJson.filter(writable),
  { maxKeys: 5 },
);

/** text → settings → text: nothing gets lost, and nothing is added. */
const roundTrip: Checkable = fc.property(table, table, (file, changes) => {
  const before = { ...file, grant: "static" };
  const text = credentialFileText(before);
  const read = parse(text) as Table;
  demand(isDeepStrictEqual(plain(read), plain(before)), `read back: ${JSON.stringify(read)}`);
  demand(credentialFileText(read) === text, "another text");
  const { preset: _, grant: __, ...others } = changes;
  const updated = updateCredentialFile(read, others);
  const again = parse(credentialFileText(updated)) as Table;
  demand(isDeepStrictEqual(plain(again), plain(updated)), `updated: ${JSON.stringify(again)}`);
  const nulls = Object.fromEntries(Object.keys(updated).map((key) => [key, null]));
  demand(Object.keys(updateCredentialFile(updated, nulls)).length === 0, "null removes");
});

/** Without prototypes and the sign of zero, which no setting has a use for. */
function plain(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner)]));
}
