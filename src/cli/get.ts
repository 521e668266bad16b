import { parseArgs } from "node:util";
import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import type { GetTokenResult } from "../protocol.ts";
import { callDaemon, FOR_A_PERSON_MS } from "./call-daemon.ts";
import { milliseconds, seconds } from "./parse-seconds.ts";

const FORMATS = ["token", "header", "json"];

interface GetOptions {
  format?: string;
  minValidity?: string;
  scope?: string;
  audience?: string;
  refresh?: boolean;
  timeout?: string;
}

/** `authd get` for the usual arguments, without commander, which costs a quarter of Node's start. */
export async function quickGet(args: string[]): Promise<boolean> {
  const options = parseUsual(args);
  if (!options) return false;
  await get(options.name, options);
  return true;
}

/** Returns undefined if anything is unusual: commander reports that. */
function parseUsual(args: string[]): (GetOptions & { name: string }) | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        format: { type: "string" },
        "min-validity": { type: "string" },
        scope: { type: "string" },
        audience: { type: "string" },
        refresh: { type: "boolean" },
        timeout: { type: "string" },
      },
    });
    const { "min-validity": minValidity, ...rest } = values;
    const [name, ...more] = positionals;
    if (!name || more.length > 0 || !FORMATS.includes(values.format ?? "token")) return undefined;
    return { name, ...rest, ...omitUndefined({ minValidity }) };
  } catch {
    return undefined;
  }
}

export async function define(command: Command): Promise<void> {
  const { Option } = await import("commander");
  command
    .argument("<name>", "the credential")
    .addOption(new Option("--format <format>", "what to print").choices(FORMATS).default("token"))
    .option("--min-validity <seconds>", "how long the token must still be valid for")
    .option("--scope <scope>", "another scope than the credential's own")
    .option("--audience <audience>", "another audience than the credential's own")
    .option("--refresh", "get a new one, even if the current token is still valid")
    .option("--timeout <seconds>", "how long to wait for the issuer (default: 30)")
    .action(get);
}

export const examples = [
  "authd get labelf --min-validity 600",
  "authd get realtyna --format header | curl -H @- https://api.realtyfeed.com/reso/odata/Property",
];

async function get(name: string, options: GetOptions): Promise<void> {
  const timeoutMs = milliseconds("--timeout", options.timeout);
  const minValidity = seconds("--min-validity", options.minValidity);
  const result = await callDaemon(
    "getToken",
    {
      credential: name,
      ...omitUndefined({ minValidity, scope: options.scope, audience: options.audience }),
      ...(options.refresh ? { forceRefresh: true } : {}),
      ...omitUndefined({ timeoutMs }),
    },
    (timeoutMs ?? 30_000) + FOR_A_PERSON_MS + 5_000,
  );
  if (options.format === "header") assertInHeaders(name, result);
  process.stdout.write(`${render(result, options.format)}\n`);
  const left = secondsLeft(result);
  if (minValidity !== undefined && left < minValidity - ROUNDING_S) {
    const text = `authd: ${name}: this token is good for ${Math.floor(left)} s, not for ${minValidity} s: its tokens live too short for that`;
    process.stderr.write(`${text}\n`);
  }
}

/** Lifetime (s) that a token may lose on its way from the daemon. */
const ROUNDING_S = 1;

function secondsLeft({ expiresAt }: GetTokenResult): number {
  return expiresAt === null ? Number.POSITIVE_INFINITY : (expiresAt - Date.now()) / 1_000;
}

/** Throws AuthdError `invalid_params` if headers alone are not what the API wants. */
function assertInHeaders(credential: string, { query, body }: GetTokenResult): void {
  const place = query ? "query" : body ? "body" : undefined;
  if (!place) return;
  const names = Object.keys((query ?? body)!).join(", ");
  throw new AuthdError(
    "invalid_params",
    `${credential}: its API wants ${names} in the ${place}, which headers can't carry: authd request ${credential} URL puts it there, and --format json prints it`,
    { credential },
  );
}

function render(result: GetTokenResult, format: string | undefined): string {
  if (format === "json") return JSON.stringify(result, null, 2);
  if (format !== "header") return result.accessToken;
  return Object.entries(result.headers)
    .map(([name, value]) => `${capitalized(name)}: ${value}`)
    .join("\n");
}

/** "x-api-key" as people write it: "X-Api-Key". */
function capitalized(header: string): string {
  return header.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
