/** What people type: arguments of `authd request`, `--set key=value` and `--secrets-from`. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import fc from "fast-check";
import { define, paramsFor, parseHeaders, type RequestOptions } from "../../src/cli/request.ts";
import { secretsFrom } from "../../src/cli/secrets-input.ts";
import { parseSettings } from "../../src/cli/settings-input.ts";
import {
  coerceSettings,
  credentialFileText,
  resolveCredential,
  shippedPresets,
} from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";
import { params } from "../../src/rpc/params.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import type { Scope } from "../helpers/scope.ts";
import { deepJson, mutated, mutation, oddJson, oddText } from "./odd.ts";
import { type Checkable, demand, type Property } from "./property.ts";

export const input: readonly Property[] = [
  { name: "input-arguments", runs: 150, start: requestArguments },
  { name: "input-headers", runs: 1_000, start: () => headerLines },
  { name: "input-set", runs: 60, start: () => settingPairs },
  { name: "input-secrets", runs: 200, start: secretsFiles },
];

/** Nobody may see it in a message. */
const SECRET = "practice-secret-that-nobody-may-see";

function isUsage(error: unknown): asserts error is AuthdError {
  demand(error instanceof AuthdError && error.reason === "invalid_params", `${error}`);
  demand(error.message.length < 20_000, "a message that long");
}

// ---- authd request ----

const argument = oddText.filter((text) => !text.includes("\0"));
const headerName = fc.oneof(
  fc.constantFrom("X-A", "x-a", "Content-Type", "constructor", "__proto__", "toString", "Å"),
  fc.string({ unit: fc.constantFrom(..."aZ-_.1"), minLength: 1, maxLength: 5 }),
);

/** Arguments as a shell hands them over, and what they come to. */
function requestArguments(scope: Scope): Checkable {
  const file = join(temporaryFolder(scope), "body");
  const data = fc.oneof(
    argument.filter((text) => !text.startsWith("@")),
    fc.constant(`@${file}`),
  );
  const url = fc.oneof(fc.webUrl({ withQueryParameters: true }), argument);
  const place = fc.constantFrom("before", "between", "after");
  return fc.asyncProperty(
    fc.record({
      method: fc.option(fc.constantFrom("GET", "post", "M-SEARCH", "-X", "--"), { nil: undefined }),
      ...{ url, place, headers: fc.array(fc.tuple(headerName, argument), { maxLength: 3 }) },
      ...{ data: fc.array(data, { maxLength: 3 }), content: fc.uint8Array({ maxLength: 30 }) },
      timeout: fc.option(fc.oneof(argument, fc.constantFrom("1", "0", "1e9", "-1")), {
        nil: undefined,
      }),
    }),
    async ({ method, url, place, headers, data, content, timeout }) => {
      writeFileSync(file, content);
      const options = [
        ...headers.flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
        ...data.flatMap((one) => ["-d", one]),
        ...(timeout === undefined ? [] : ["--timeout", timeout]),
      ];
      const positional = [...(method === undefined ? [] : [method]), url];
      const orders = {
        before: [...options, "demo", ...positional],
        between: ["demo", ...options, ...positional],
        after: ["demo", ...positional, ...options],
      };
      const asked = await paramsOf(orders[place]);
      if (!asked) return;
      const { head, body = Buffer.alloc(0) } = asked;
      demand(params.authorizedRequest.safeParse(head).success, JSON.stringify(head));
      const isPlain = positional.every((one) => !one.startsWith("-"));
      if (!isPlain) return;
      demand(head.credential === "demo" && head.url === url, JSON.stringify(head));
      const fallback = data.length > 0 ? "POST" : "GET";
      demand(head.method === (method ?? fallback), `method ${head.method}`);
      const whole = joined(data, content);
      demand(
        Buffer.isBuffer(body) && whole.equals(body),
        `${whole.toString("hex")} became ${body}`,
      );
    },
  );
}

/** The body that curl would make of these `-d`, of which some name a file. */
function joined(data: readonly string[], content: Uint8Array): Buffer {
  return Buffer.concat(
    data.flatMap((one, at) => [
      Buffer.from(at > 0 ? "&" : ""),
      one.startsWith("@") ? Buffer.from(content) : Buffer.from(one),
    ]),
  );
}

/** Undefined if they are refused. */
async function paramsOf(args: readonly string[]) {
  const command = new Command("request").exitOverride();
  command.configureOutput({ writeOut: () => {}, writeErr: () => {} });
  define(command);
  let given: [string, string, string | undefined, RequestOptions] | undefined;
  command.action((...all) => {
    given = all as unknown as NonNullable<typeof given>;
  });
  try {
    await command.parseAsync([...args], { from: "user" });
    return given && (await paramsFor(...given));
  } catch (error) {
    if (!(error instanceof CommanderError)) isUsage(error);
    return undefined;
  }
}

const headerLines: Checkable = fc.property(
  fc.array(
    fc.oneof(
      argument,
      fc.tuple(headerName, argument).map(([name, value]) => `${name}: ${value}`),
    ),
    { maxLength: 5 },
  ),
  (lines) => {
    try {
      const headers = parseHeaders(lines);
      for (const line of lines) {
        const name = line.slice(0, line.indexOf(":")).trim().toLowerCase();
        const same = lines.filter(
          (one) => one.slice(0, one.indexOf(":")).trim().toLowerCase() === name,
        );
        const values = same.map((one) => one.slice(one.indexOf(":") + 1).trim());
        demand(
          name !== "__proto__" && Object.hasOwn(headers, name),
          `${JSON.stringify(name)} got lost`,
        );
        demand(headers[name] === values.join(", "), `${name}: ${JSON.stringify(headers[name])}`);
      }
    } catch (error) {
      isUsage(error);
    }
  },
);

// ---- authd add and authd set ----

const KEYS = [
  ...["origins", "headers.x-a.b", "ttl", "verify.url", "allow_insecure_http", "fields.a", "scope"],
  ...["request", "request.url", "request.json.a.b", "request.form.x", "request.headers.X-Y"],
  ...["response.token", "secrets", "extra.a.b", "extra", "rejected_statuses", "token_url"],
  ...["__proto__", "__proto__.x", "extra.__proto__", "request.json.__proto__.x", "constructor.x"],
  ...[`request.json${".a".repeat(5_000)}`, `extra${".a".repeat(70)}`],
  ...[".", "a.", ".a", "toString", "resource", "client_id", "base_url", "send_grant_type"],
];

const pair = fc
  .tuple(
    fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...KEYS) }, oddText),
    fc.oneof(
      fc.constantFrom("1", "-1.5", "true", "a,b", "https://a.example", '{"a":{"b":1}}', "[1,"),
      fc.constantFrom('{"__proto__":{"polluted":true}}', '[{"__proto__":1}]'),
      oddText,
      oddJson.map((value) => JSON.stringify(value)),
      deepJson.filter((text) => text.length < 5_000),
    ),
  )
  .map(([key, value]) => `${key}=${value}`);

const presets = shippedPresets();

const settingPairs: Checkable = fc.property(
  fc.array(pair, { maxLength: 5 }),
  fc.constantFrom({ grant: "exchange" }, { grant: "password" }, { preset: "zebbra" }),
  (pairs, file) => {
    try {
      const coerced = coerceSettings(file, parseSettings(pairs), presets);
      credentialFileText(coerced);
      resolveCredential("demo", coerced, {}, { configDir: "/nowhere" });
    } catch (error) {
      isUsage(error);
    }
    demand(!("polluted" in {}) && !("x" in {}), "Object.prototype was changed");
  },
);

function secretsFiles(scope: Scope): Checkable {
  const file = join(temporaryFolder(scope), "secrets.json");
  const value = fc.oneof(
    fc.dictionary(
      fc.constantFrom("client_secret", "__proto__", "constructor", "", "a"),
      fc.oneof({ weight: 4, arbitrary: fc.constant(SECRET) }, oddJson),
    ),
    oddJson,
  );
  const text = fc.oneof(
    value.map((one) => JSON.stringify(one) ?? ""),
    value.map((one) => `\ufeff${JSON.stringify(one)}`),
    deepJson,
  );
  return fc.asyncProperty(text, fc.array(mutation, { maxLength: 2 }), async (text, changes) => {
    writeFileSync(file, mutated(Buffer.from(text), changes), { mode: 0o600 });
    try {
      const secrets = await secretsFrom(file);
      demand(
        Object.values(secrets).every((secret) => typeof secret === "string"),
        "a secret that is no text",
      );
    } catch (error) {
      isUsage(error);
      demand(!error.message.includes(SECRET), "the message quotes a secret");
    }
  });
}
