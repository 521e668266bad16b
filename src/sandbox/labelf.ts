import { randomBytes } from "node:crypto";
import { issuedTokens } from "./issued-tokens.ts";
import {
  basic,
  bearer,
  form,
  json,
  jsonMembers,
  type PracticeApi,
  type PracticeOptions,
  type PracticeRequest,
  type Reply,
  startPracticeApi,
} from "./practice-api.ts";

/** Lifetime in seconds, as in Labelf's responses: about 99 years. */
const LIFETIME = 3_122_063_999;
const MODELS = [
  { id: 7, name: "Guest reviews", type: "classifier", status: "deployed" },
  { id: 12, name: "Support tickets", type: "classifier", status: "deployed" },
];
const LABELS = ["negative", "neutral", "positive"];
const MAX_TEXTS = 8;

/** Imitates Labelf: tokens by Ory Hydra (`/oauth2/token`), models and their predictions below `/v2`. */
export function startLabelf(options: PracticeOptions = {}): Promise<PracticeApi> {
  const { tokenLifetime = LIFETIME, now = Date.now } = options;
  const tokens = issuedTokens(now);
  // Hydra form-decodes Basic credentials: without encoding, these characters arrive as others.
  const client = {
    id: `practice:labelf+id/${randomBytes(6).toString("hex")}%7E~`,
    secret: `practice+secret%2B~/:${randomBytes(16).toString("hex")}`,
  };
  const ifAuthorized =
    (answer: (request: PracticeRequest) => Reply) => (request: PracticeRequest) =>
      tokens.check(bearer(request)) === "valid"
        ? answer(request)
        : apiError(401, "UNAUTHORIZED", "Missing or invalid API key", {
            "www-authenticate": 'Bearer error="invalid_token"',
          });
  return startPracticeApi({
    name: "labelf",
    now,
    tokens,
    routes: [
      {
        side: "token",
        method: "POST",
        path: /^\/oauth2\/token$/,
        answer: (request) =>
          tokenRefusal(request, client) ??
          tokenReply(200, {
            access_token: tokens.opaque("practice-labelf-", tokenLifetime),
            expires_in: tokenLifetime,
            scope: "",
            token_type: "bearer",
          }),
      },
      {
        side: "api",
        method: "GET",
        path: /^\/v2\/models$/,
        answer: ifAuthorized(() => json(200, MODELS)),
      },
      {
        side: "api",
        method: "POST",
        path: /^\/v2\/models\/([^/]+)\/inference$/,
        answer: ifAuthorized(inference),
      },
    ],
    credential: (url) => ({
      preset: "labelf",
      settings: {
        client_id: client.id,
        token_url: `${url}/oauth2/token`,
        origins: [url],
        verify: { method: "GET", url: `${url}/v2/models` },
      },
      secrets: { client_secret: client.secret },
    }),
    example: (url) => ({
      method: "POST",
      url: `${url}/v2/models/${MODELS[0]!.id}/inference`,
      body: JSON.stringify({ texts: ["Breakfast was not tasty"], max_predictions: 2 }),
    }),
  });
}

/** Headers of RFC 6749 section 5.1 against caching of tokens. */
function tokenReply(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  return json(status, value, { "cache-control": "no-store", pragma: "no-cache", ...headers });
}

function oauthError(status: number, error: string, error_description: string): Reply {
  const headers = status === 401 ? { "www-authenticate": "Basic" } : undefined;
  return tokenReply(status, { error, error_description }, headers);
}

function tokenRefusal(
  request: PracticeRequest,
  client: { id: string; secret: string },
): Reply | undefined {
  const fields = form(request);
  if (!fields) {
    return oauthError(400, "invalid_request", "The body must be a form that names no field twice.");
  }
  const grant = fields.get("grant_type");
  if (!grant) return oauthError(400, "invalid_request", "The grant_type is missing.");
  const authentication = clientRefusal(request, fields, client);
  if (authentication) return authentication;
  if (grant !== "client_credentials") {
    return oauthError(
      400,
      "unsupported_grant_type",
      "This client may use client_credentials only.",
    );
  }
  if (fields.get("scope")) {
    return oauthError(400, "invalid_scope", "This client may not ask for a scope.");
  }
  return undefined;
}

/** Authenticates by HTTP Basic only, with id and secret form-encoded (RFC 6749 section 2.3.1). */
function clientRefusal(
  request: PracticeRequest,
  fields: Map<string, string>,
  client: { id: string; secret: string },
): Reply | undefined {
  const sent = basic(request);
  if (!sent || fields.has("client_secret")) {
    return oauthError(401, "invalid_client", "The client must authenticate by HTTP Basic alone.");
  }
  try {
    const matches =
      formDecode(sent.user) === client.id && formDecode(sent.password) === client.secret;
    return matches ? undefined : oauthError(401, "invalid_client", "Client authentication failed.");
  } catch {
    return oauthError(400, "invalid_request", "The client could not be form-decoded.");
  }
}

/** Form-decodes a text. Unlike URLSearchParams, throws URIError for a stray `%`. */
function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

function apiError(
  status: number,
  error_code: string,
  message: string,
  headers: Record<string, string> = {},
): Reply {
  const request_id = `req_${randomBytes(4).toString("hex")}`;
  return json(status, { status, message, error_code, request_id }, headers);
}

function inference(request: PracticeRequest): Reply {
  if (!MODELS.some(({ id }) => String(id) === request.params[0])) {
    return apiError(404, "MODEL_NOT_FOUND", "There is no such model");
  }
  const { texts, max_predictions: max = LABELS.length } = jsonMembers(request);
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === "string")) {
    return apiError(400, "MISSING_REQUIRED_FIELD", "texts must be a list of strings");
  }
  if (texts.length === 0 || texts.length > MAX_TEXTS) {
    return apiError(400, "INVALID_PARAMETER", `texts must have 1 to ${MAX_TEXTS} items`);
  }
  if (typeof max !== "number" || !Number.isInteger(max) || max < 1) {
    return apiError(400, "INVALID_PARAMETER", "max_predictions must be a positive integer");
  }
  return json(
    200,
    texts.map((text: string) => ({ text, predictions: predictions(text).slice(0, max) })),
  );
}

/** Predicts labels: badly, but always the same for the same text. */
function predictions(text: string): { label: string; score: number }[] {
  const top = /\b(not|never|bad|slow|cold)\b/i.test(text)
    ? "negative"
    : /\b(good|great|tasty|lovely|fast)\b/i.test(text)
      ? "positive"
      : "neutral";
  const rest = LABELS.filter((label) => label !== top);
  return [
    { label: top, score: 0.93 },
    ...rest.map((label, index) => ({ label, score: index === 0 ? 0.05 : 0.02 })),
  ];
}
