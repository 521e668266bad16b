import type { HttpResponse } from "../http/http.ts";
import { allowedUrl } from "./origin.ts";
import type { ValidatedRequest } from "./validate-request.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * The request that an answer redirects to (RFC 9110 section 15.4), or undefined if the answer is for
 * the caller: it is no redirect, or it leads to where the credential's headers may not go.
 */
export function redirected(
  request: ValidatedRequest,
  { status, headers }: HttpResponse,
  owner: { readonly name: string; readonly origins: readonly string[] },
): ValidatedRequest | undefined {
  const { location } = headers;
  if (!REDIRECTS.has(status) || typeof location !== "string") return undefined;
  const url = allowedTarget(location, request.url, owner);
  if (!url) return undefined;
  return becomesGet(status, request.method)
    ? { method: "GET", url, headers: withoutContent(request.headers) }
    : { ...request, url };
}

function allowedTarget(
  location: string,
  base: URL,
  owner: { readonly name: string; readonly origins: readonly string[] },
): URL | undefined {
  if (!URL.canParse(location, base.href)) return undefined;
  try {
    return allowedUrl(new URL(location, base).href, owner);
  } catch {
    return undefined;
  }
}

function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== "GET" && method !== "HEAD";
  return (status === 301 || status === 302) && method === "POST";
}

/** What described the body goes with it. */
function withoutContent(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith("content-")),
  );
}
