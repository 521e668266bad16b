/** What this host is called in a store. */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { AuthdError } from "../errors.ts";
import type { StoreSettings } from "./settings.ts";

const MAX_CHARACTERS = 64;
const DIGEST_CHARACTERS = 16;
/** The most characters of a machine's name (RFC 1123), and so of a Kubernetes node's. */
const GIVEN = /^[a-z0-9][a-z0-9._-]{0,252}$/;

/** Returns what `AUTHD_STORE_HOST` says, shortened as a machine's name is; undefined: nothing. Throws AuthdError `invalid_params`. */
export function storeHost(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const host = env.AUTHD_STORE_HOST;
  if (!host) return undefined;
  if (GIVEN.test(host)) return shortened(host);
  const text =
    "The environment variable AUTHD_STORE_HOST must be a name such as web-1: up to 253 characters " +
    "of a-z, 0-9, dot, underscore and hyphen, the first a letter or digit.";
  throw new AuthdError("invalid_params", text);
}

/** Returns the name of this host: that of the settings, or the machine's. */
export function hostOf({ host }: Pick<StoreSettings, "host">): string {
  return (
    host ??
    (shortened(
      hostname()
        .toLowerCase()
        .replace(/[^a-z0-9._-]/g, "-"),
    ) ||
      "host")
  );
}

/** Names that begin alike stay apart: what does not fit is replaced by a digest of the whole. */
function shortened(name: string): string {
  if (name.length <= MAX_CHARACTERS) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, DIGEST_CHARACTERS);
  return `${name.slice(0, MAX_CHARACTERS - 1 - DIGEST_CHARACTERS)}-${digest}`;
}
