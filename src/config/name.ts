import { AuthdError } from "../errors.ts";

/** Names of credentials, and of restricted sockets. */
export const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const MAX = 64;

/** Says why `name` can't be a credential's name, as the end of a sentence; undefined if it can. */
export function whyNotAName(name: string, most = MAX): string | undefined {
  if (NAME.test(name) && name.length <= most) return undefined;
  if (name === "") return "it is empty";
  if (name.length > most) return `it has ${name.length} characters, and ${most} is the most`;
  if (/[/\\]/.test(name)) return "it is a name, not a path";
  if (/[A-Z]/.test(name)) {
    const lower = name.toLowerCase();
    return `upper case is not allowed${NAME.test(lower) ? `; call it "${lower}"` : ""}`;
  }
  return "only a-z, 0-9, dot, underscore and hyphen are allowed, and it starts with a letter or digit";
}

/** Throws AuthdError `invalid_params` unless `name` matches `[a-z0-9][a-z0-9._-]{0,63}`. */
export function assertCredentialName(name: string): void {
  assertName(name, "a credential");
}

/** Throws AuthdError `invalid_params` unless it can be the name of `what`: as of a credential, of `most` characters. */
export function assertName(name: string, what: string, most = MAX): void {
  const why = whyNotAName(name, most);
  if (why === undefined) return;
  const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
  throw new AuthdError("invalid_params", `${shown} can't be ${what}'s name: ${why}.`);
}
