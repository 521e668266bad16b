import { AuthdError } from "../errors.ts";
import { plain } from "./style.ts";

/** Values by key, dotted where nested; the daemon converts them to numbers, lists and tables. */
export type SettingsInput = Record<string, string | string[]>;

/** Names that hold a secret in every preset and grant that has them. */
const SECRET_NAMES = [
  "client_secret",
  "password",
  "otp_secret",
  "refresh_token",
  "token",
  "api_token",
  "api_key",
];

/**
 * What `--set key=value …` says; a key given twice is a list. Throws for a key that is a secret
 * (`secrets`: this credential's): argv is no place for one.
 */
export function parseSettings(
  pairs: readonly string[],
  secrets: readonly string[] = [],
): SettingsInput {
  const settings = new Map<string, string | string[]>();
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw invalid(`--set takes key=value, not "${plain(pair)}"`);
    const key = pair.slice(0, equals).trim();
    refuseSecret(key, [...SECRET_NAMES, ...secrets]);
    const value = pair.slice(equals + 1);
    const before = settings.get(key);
    settings.set(key, before === undefined ? value : [before, value].flat());
  }
  return Object.fromEntries(settings);
}

function refuseSecret(key: string, secrets: readonly string[]): void {
  const name = key.replace(/^secrets?\./, "");
  if (!secrets.includes(name)) return;
  throw invalid(
    `${name} is a secret, and other programs can see arguments. Leave it out to be asked for it without echo, or give it as JSON: --secrets-from FILE, or --secrets-from - for a pipe, with {"${name}": "…"}`,
  );
}

function invalid(message: string): AuthdError {
  return new AuthdError("invalid_params", message);
}
