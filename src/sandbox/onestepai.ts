import { randomBytes } from "node:crypto";
import { issuedTokens } from "./issued-tokens.ts";
import {
  bearer,
  json,
  jsonBody,
  mediaType,
  type PracticeApi,
  type PracticeCredential,
  type PracticeOptions,
  type PracticeRequest,
  type Reply,
  startPracticeApi,
} from "./practice-api.ts";

export interface OneStepAiOptions extends PracticeOptions {
  /** Accepts `GET /Users/SignIn?token=…` instead, as an older version of the API does. */
  older?: boolean;
}

/** Lifetime in seconds. */
const LIFETIME = 86_400;
const USER = { id: 42, userName: "practice.user", email: "practice.user@example.com" };

/** Imitates OneStep AI: the API token is exchanged for a JWT, which is the whole plain-text response. */
export function startOneStepAi(options: OneStepAiOptions = {}): Promise<PracticeApi> {
  const { tokenLifetime = LIFETIME, now = Date.now, older = false } = options;
  const tokens = issuedTokens(now);
  // These characters break in a query, a form or a JSON string that is not encoded.
  const apiToken = `practice+osai&"${randomBytes(20).toString("hex")}/=%41`;

  const signIn = (given: string | null): Reply => {
    if (given !== apiToken) return problem(401, "Unauthorized");
    const issued = Math.floor(now() / 1000);
    const claims = { sub: String(USER.id), unique_name: USER.userName, nbf: issued, iat: issued };
    return {
      status: 200,
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: tokens.jwt(claims, tokenLifetime),
    };
  };
  return startPracticeApi({
    name: "onestepai",
    now,
    tokens,
    routes: [
      older
        ? {
            side: "token",
            method: "GET",
            path: /^\/api\/Users\/SignIn$/,
            answer: ({ query }) => signIn(query.get("token")),
          }
        : {
            side: "token",
            method: "POST",
            path: /^\/api\/Users\/SignIn$/,
            answer(request) {
              const given = jsonString(request);
              return typeof given === "string" ? signIn(given) : given;
            },
          },
      {
        side: "api",
        method: "GET",
        path: /^\/api\/Users$/,
        answer(request) {
          const state = tokens.check(bearer(request));
          return state === "valid" ? json(200, USER) : unauthorized(state);
        },
      },
    ],
    credential: (url) => (older ? olderCredential(url, apiToken) : newerCredential(url, apiToken)),
    example: (url) => ({ method: "GET", url: `${url}/api/Users` }),
  });
}

function newerCredential(url: string, api_token: string): PracticeCredential {
  return {
    preset: "onestepai",
    settings: { region: "eu", base_url: `${url}/api` },
    secrets: { api_token },
  };
}

function olderCredential(url: string, api_token: string): PracticeCredential {
  return {
    grant: "exchange",
    settings: {
      request: { method: "GET", url: `${url}/api/Users/SignIn?token={secret.api_token}` },
      response: { token: "text" },
      secrets: ["api_token"],
      rejected_statuses: [400, 401],
      origins: [url],
      verify: { method: "GET", url: `${url}/api/Users` },
    },
    secrets: { api_token },
  };
}

/** Returns the JSON string that the body is, or an error if it is none. */
function jsonString(request: PracticeRequest): string | Reply {
  if (mediaType(request) !== "application/json") return problem(415, "Unsupported Media Type");
  const value = jsonBody(request);
  return typeof value === "string"
    ? value
    : problem(400, "One or more validation errors occurred.");
}

/** Builds an error of ASP.NET: RFC 9110 problem details. */
function problem(status: number, title: string): Reply {
  return json(status, { title, status }, { "content-type": "application/problem+json" });
}

/** Builds an error of ASP.NET's bearer handler: the reason is in the header, and the body is empty. */
function unauthorized(state: "expired" | "unknown"): Reply {
  const why = state === "expired" ? "The token has expired" : "The signature is invalid";
  return {
    status: 401,
    headers: { "www-authenticate": `Bearer error="invalid_token", error_description="${why}"` },
    body: "",
  };
}
