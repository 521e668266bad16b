import { isListed } from "../config/origin-pattern.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { type HttpResponse, REDIRECT_STATUSES } from "../http/http.ts";
import { allowedUrl, type TokenReach } from "./origin.ts";
import { dropParameters } from "./query.ts";
import type { ValidatedRequest } from "./validate-request.ts";

type Rules = Pick<CredentialSettings, "headers" | "placement" | "follow">;

/**
 * Returns the request that a response redirects to (RFC 9110 section 15.4); undefined if the response is for
 * the caller: it is no redirect, or it leads to an origin that is not listed. To one of `follow` nothing of the
 * credential's goes, and from there on to none of its origins.
 */
export function redirected(
  request: ValidatedRequest,
  { status, headers }: HttpResponse,
  reach: TokenReach,
  rules: Rules,
): ValidatedRequest | undefined {
  const { location } = headers;
  if (!REDIRECT_STATUSES.has(status) || typeof location !== "string") return undefined;
  if (!URL.canParse(location, request.url.href)) return undefined;
  const target = new URL(location, request.url);
  const isOwn = !request.isBare && reach.origins.includes(target.origin);
  if (!isOwn && !(rules.follow && isListed(target.origin, rules.follow))) return undefined;
  const url = sendableUrl(target, reach.name);
  if (!url) return undefined;
  const next = becomesGet(status, request.method)
    ? { method: "GET", url, headers: withoutContent(request.headers) }
    : { ...request, url };
  if (!isOwn) return bare(next, rules);
  const { query } = rules.placement ?? {};
  if (query) dropParameters(url, Object.keys(query));
  return next;
}

/** Returns the URL without its fragment; undefined for one that is not sent anywhere, such as one with a user name. */
function sendableUrl({ href, origin }: URL, name: string): URL | undefined {
  try {
    return allowedUrl(href, { name, origins: [origin] });
  } catch {
    return undefined;
  }
}

/** Returns a request without headers that tell who asks. */
function bare(request: ValidatedRequest, { headers }: Rules): ValidatedRequest {
  const dropped = new Set([...Object.keys(headers), "authorization", "cookie"]);
  const kept = Object.entries(request.headers).filter(([name]) => !dropped.has(name));
  const { format: _, ...rest } = request;
  return { ...rest, headers: Object.fromEntries(kept), isBare: true };
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
