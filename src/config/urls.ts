import { isLoopback, isMetadataService } from "../base/loopback.ts";
import { AuthdError } from "../errors.ts";

/**
 * Reads an absolute http(s) URL out of a setting. Throws AuthdError `invalid_params` that names
 * `key` and the mistake, never the value: an address can carry a secret.
 */
export function parseUrl(value: string, key: string, allowInsecureHttp: boolean): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url?.host || !/^https?:$/.test(url.protocol)) {
    throw urlError(key, "must be an absolute URL, such as https://api.example.com/path");
  }
  if (url.username || url.password) {
    throw urlError(key, "must not hold a user name or password: secrets belong into the vault");
  }
  if (url.hostname.includes("*")) {
    throw urlError(key, "must name one host: wildcards are not allowed");
  }
  if (url.protocol === "http:" && !allowInsecureHttp && !isLoopback(url.hostname)) {
    throw urlError(
      key,
      "must be https: over plain http anybody on the way reads the secrets (allow_insecure_http = true permits it for this credential)",
    );
  }
  return url;
}

/**
 * The same for an address that tokens come from: a cloud's metadata service, which its machine alone can ask, has
 * plain http only.
 */
export function parseSourceUrl(value: string, key: string, allowInsecureHttp: boolean): URL {
  const isMetadata = URL.canParse(value) && isMetadataService(new URL(value).hostname);
  return parseUrl(value, key, allowInsecureHttp || isMetadata);
}

/** An entry of `origins`, as `new URL(x).origin` spells it. */
export function parseOrigin(value: string, key: string, allowInsecureHttp: boolean): string {
  const url = parseUrl(value, key, allowInsecureHttp);
  if (url.pathname !== "/" || url.search || url.hash) {
    throw urlError(key, "must be an origin such as https://api.example.com, without a path");
  }
  return url.origin;
}

function urlError(key: string, what: string): AuthdError {
  return new AuthdError("invalid_params", `${key} ${what}.`);
}
