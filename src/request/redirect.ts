import type { Placement } from "../config/settings.ts";
import { type HttpResponse, REDIRECT_STATUSES } from "../http/http.ts";
import { allowedUrl, type TokenReach } from "./origin.ts";
import { dropParameters } from "./query.ts";
import type { ValidatedRequest } from "./validate-request.ts";

/**
 * Returns the request that a response redirects to (RFC 9110 section 15.4); undefined if the response is for
 * the caller: it is no redirect, or it leads to where the credential's headers may not go.
 */
export function redirected(
  request: ValidatedRequest,
  { status, headers }: HttpResponse,
  reach: TokenReach,
  placement: Placement = {},
): ValidatedRequest | undefined {
  const { location } = headers;
  if (!REDIRECT_STATUSES.has(status) || typeof location !== "string") return undefined;
  const url = allowedTarget(location, request.url, reach);
  if (!url) return undefined;
  if (placement.query) dropParameters(url, Object.keys(placement.query));
  return becomesGet(status, request.method)
    ? { method: "GET", url, headers: withoutContent(request.headers) }
    : { ...request, url };
}

function allowedTarget(location: string, base: URL, reach: TokenReach): URL | undefined {
  if (!URL.canParse(location, base.href)) return undefined;
  try {
    return allowedUrl(new URL(location, base).href, reach);
  } catch {
    return undefined;
  }
}

function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== "GET" && method !== "HEAD";
  return (status === 301 || status === 302) && method === "POST";
}

/** Returns the headers without those that described the body. */
function withoutContent(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith("content-")),
  );
}
