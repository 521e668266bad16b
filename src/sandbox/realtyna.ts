import { randomBytes } from "node:crypto";
import { issuedTokens } from "./issued-tokens.ts";
import {
  basic,
  bearer,
  form,
  html,
  json,
  type PracticeApi,
  type PracticeOptions,
  type PracticeRequest,
  type Reply,
  startPracticeApi,
} from "./practice-api.ts";

export interface RealtynaOptions extends PracticeOptions {
  /** Requires client id and secret in the body, as newer servers do; otherwise by Basic too. */
  newer?: boolean;
  /** Format of the token in the header: alone, or after `Bearer`. */
  scheme?: "raw" | "bearer";
  /** Time (ms) between two token requests at least. */
  tokenInterval?: number;
}

interface Client {
  id: string;
  secret: string;
}

/** Lifetimes in seconds, as in the responses of older and newer servers. */
const LIFETIMES = { older: 3600, newer: 86_400 };
const MAX_FAILURES = 3;
const BLOCK_MS = 3_600_000;
const LISTINGS = Array.from({ length: 25 }, (_, index) => ({
  ListingKey: `PRACTICE${String(index + 1).padStart(4, "0")}`,
  StandardStatus: index % 4 === 3 ? "Pending" : "Active",
  City: ["Springfield", "Shelbyville", "Ogdenville"][index % 3],
  ListPrice: 250_000 + 12_500 * index,
}));
const PAGE = { default: 20, max: 200 };

/** Imitates Realtyna: a token endpoint with strict limits, and an API that requires four headers. */
export function startRealtyna(options: RealtynaOptions = {}): Promise<PracticeApi> {
  const { newer = false, scheme = "raw", tokenInterval = 1000, now = Date.now } = options;
  const { tokenLifetime = newer ? LIFETIMES.newer : LIFETIMES.older } = options;
  const tokens = issuedTokens(now);
  // Compared without decoding: a client that form-encodes its Basic credentials is refused.
  const client = {
    id: `practice-realtyna+id%2B/${randomBytes(6).toString("hex")}`,
    secret: `practice:secret%2F+&=/${randomBytes(16).toString("hex")}`,
  };
  const apiKey = `practice-api-key-${randomBytes(12).toString("hex")}`;
  const site = { referer: "https://homes.example/search", origin: "https://homes.example" };
  const guard = tokenGuard(now, tokenInterval);
  const path = newer ? "/v1/auth/token" : "/oauth2/token";

  const ifAuthorized =
    (answer: (request: PracticeRequest) => Reply) => (request: PracticeRequest) => {
      const token = scheme === "bearer" ? bearer(request) : request.headers.authorization;
      const state = tokens.check(token);
      if (state !== "valid") {
        const message = state === "expired" ? "The incoming token has expired" : "Unauthorized";
        return json(401, { message });
      }
      const { "x-api-key": key, referer, origin } = request.headers;
      const known = key === apiKey && referer === site.referer && origin === site.origin;
      return known ? answer(request) : json(403, { message: "Forbidden" });
    };
  return startPracticeApi({
    name: "realtyna",
    now,
    tokens,
    routes: [
      {
        side: "token",
        method: "POST",
        path: new RegExp(`^${path}$`),
        answer: (request) =>
          guard(() => (newer ? newerRefusal(request, client) : olderRefusal(request, client))) ??
          json(200, {
            access_token: tokens.opaque("practice-realtyna-", tokenLifetime),
            expires_in: tokenLifetime,
            token_type: "Bearer",
          }),
      },
      {
        side: "api",
        method: "GET",
        path: /^\/reso\/odata\/Property$/,
        answer: ifAuthorized(listProperties),
      },
      {
        side: "api",
        method: "GET",
        path: /^\/reso\/odata\/Property\('([^']+)'\)$/,
        answer: ifAuthorized(({ params }) => {
          const found = LISTINGS.find(({ ListingKey }) => ListingKey === params[0]);
          return found ? json(200, found) : json(404, { message: "Not Found" });
        }),
      },
    ],
    credential: (url) => ({
      preset: "realtyna",
      settings: {
        client_id: client.id,
        token_url: url + path,
        api_url: url,
        ...site,
        ...(scheme === "bearer" && { scheme }),
        ...(newer && { client_auth: "post" }),
      },
      secrets: { client_secret: client.secret, api_key: apiKey },
    }),
    example: (url) => ({ method: "GET", url: `${url}/reso/odata/Property?$top=2` }),
  });
}

/** Limits token requests to one a second; three with wrong credentials lead to an hour of a firewall's 403. */
function tokenGuard(now: () => number, interval: number) {
  let last = Number.NEGATIVE_INFINITY;
  let strikes = 0;
  let blockedUntil = Number.NEGATIVE_INFINITY;
  return (refusal: () => Reply | undefined): Reply | undefined => {
    if (now() < blockedUntil) return html(403, "Request blocked");
    // A clock that was set back does not extend the limit.
    if (Math.abs(now() - last) < interval) {
      const headers = { "retry-after": String(Math.ceil(interval / 1000)) };
      return json(429, { message: "Too Many Requests" }, headers);
    }
    last = now();
    const refused = refusal();
    if (refused?.status !== 401) {
      if (!refused) strikes = 0;
      return refused;
    }
    strikes += 1;
    if (strikes >= MAX_FAILURES) {
      strikes = 0;
      blockedUntil = now() + BLOCK_MS;
    }
    return refused;
  };
}

/** Authenticates by the client id in the body and, at the same time, id and secret by Basic. */
function olderRefusal(request: PracticeRequest, client: Client): Reply | undefined {
  const fields = form(request);
  if (fields?.get("grant_type") !== "client_credentials" || fields.has("client_secret")) {
    return oauthError(400, "invalid_request");
  }
  if (!fields.has("client_id")) return oauthError(400, "invalid_request");
  const sent = basic(request);
  return sent?.user === client.id &&
    sent.password === client.secret &&
    fields.get("client_id") === client.id
    ? undefined
    : oauthError(401, "invalid_client");
}

/** Authenticates by client id and secret in the body; the grant_type is optional. */
function newerRefusal(request: PracticeRequest, client: Client): Reply | undefined {
  const fields = form(request);
  const grant = fields?.get("grant_type") ?? "client_credentials";
  if (!fields || grant !== "client_credentials" || request.headers.authorization !== undefined) {
    return oauthError(400, "invalid_request");
  }
  return fields.get("client_id") === client.id && fields.get("client_secret") === client.secret
    ? undefined
    : oauthError(401, "invalid_client");
}

function oauthError(status: number, error: string): Reply {
  return json(status, { error });
}

/** Returns a page of listings, by `$top`, `$skip` and `$select` of RESO's Web API. */
function listProperties({ query, headers }: PracticeRequest): Reply {
  const top = Number(query.get("$top") ?? PAGE.default);
  const skip = Number(query.get("$skip") ?? 0);
  if (!Number.isInteger(top) || top < 1 || top > PAGE.max || !Number.isInteger(skip) || skip < 0) {
    return json(400, { message: "$top or $skip is out of range" });
  }
  const names = query.get("$select")?.split(",");
  const base = `http://${headers.host}/reso/odata`;
  const next = new URLSearchParams(query);
  next.set("$skip", String(skip + top));
  return json(200, {
    "@odata.context": `${base}/$metadata#Property`,
    "@odata.count": LISTINGS.length,
    value: LISTINGS.slice(skip, skip + top).map((listing) =>
      names
        ? Object.fromEntries(Object.entries(listing).filter(([name]) => names.includes(name)))
        : listing,
    ),
    ...(skip + top < LISTINGS.length && { "@odata.nextLink": `${base}/Property?${next}` }),
  });
}
