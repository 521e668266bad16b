/** An API that names its issuer itself, as an MCP server does (RFC 9728), and an issuer that registers clients. */
import type { ServerResponse } from "node:http";
import { type Api, startApi } from "./api.ts";
import type { Scope } from "./scope.ts";
import { SECRET_CLIENT, type SignInIssuer } from "./sign-in-issuer.ts";

/** Features of `oidc-provider` that such an API's issuer has. */
export const RESOURCE_FEATURES = {
  registration: { enabled: true },
  registrationManagement: { enabled: true },
  introspection: { enabled: true },
  resourceIndicators: {
    enabled: true,
    useGrantedResource: () => true,
    getResourceServerInfo: (_: unknown, resource: string) => ({
      scope: "files:read files:write",
      audience: resource,
      accessTokenFormat: "opaque",
      accessTokenTTL: 600,
    }),
  },
};

export interface ResourceServer extends Api {
  /** The URL at which it is used. */
  url: string;
  /** Its metadata; undefined: it has none at the well-known places. */
  metadata: Record<string, unknown> | undefined;
  /** Answers a path in its place; undefined: it answers itself. */
  override?: ((path: string, response: ServerResponse) => unknown) | undefined;
  /** The challenge of a request without a valid token. */
  challenge: string;
  /** The challenge of a token that may not do what is asked for; it wants `files:write` unless given. */
  insufficient: string;
}

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

/** `/mcp` takes tokens with `files:read`, `/mcp/write` those with `files:write`, as the issuer's introspection says. */
export async function startResourceServer(t: Scope, issuer: SignInIssuer): Promise<ResourceServer> {
  const api = await startApi(t, async ({ url, headers }, response) => {
    const path = new URL(url, api.origin).pathname;
    if (server.override?.(path, response) !== undefined) return;
    if (path.startsWith(WELL_KNOWN)) return answerMetadata(server, path, response);
    const scope = await scopeOf(issuer, headers.authorization, server.url);
    if (scope === undefined) return answer(response, 401, {}, server.challenge);
    const needed = path === "/mcp/write" ? "files:write" : "files:read";
    const isEnough = scope.split(" ").includes(needed);
    return isEnough
      ? answer(response, 200, { scope })
      : answer(response, 403, {}, server.insufficient);
  });
  const url = `${api.origin}/mcp`;
  const server: ResourceServer = Object.assign(api, {
    url,
    metadata: {
      resource: url,
      authorization_servers: [issuer.url],
      scopes_supported: ["files:read", "files:write"],
    },
    challenge: `Bearer resource_metadata="${api.origin}${WELL_KNOWN}/mcp", scope="files:read"`,
    insufficient: 'Bearer error="insufficient_scope", scope="files:write"',
  });
  return server;
}

function answerMetadata({ metadata }: ResourceServer, path: string, response: ServerResponse) {
  const isThere = path === `${WELL_KNOWN}/mcp` && metadata !== undefined;
  return answer(response, isThere ? 200 : 404, isThere ? metadata : {});
}

function answer(response: ServerResponse, status: number, body: unknown, challenge?: string) {
  response.writeHead(status, {
    "content-type": "application/json",
    ...(challenge !== undefined && { "www-authenticate": challenge }),
  });
  response.end(JSON.stringify(body));
}

/** Returns the scope of a token that is meant for this API; undefined: it is not valid here. */
async function scopeOf(issuer: SignInIssuer, authorization = "", audience: string) {
  const { id, secret } = SECRET_CLIENT;
  const pair = new URLSearchParams([[id, secret]]).toString().replace("=", ":");
  const response = await fetch(`${issuer.url}/token/introspection`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` },
    body: new URLSearchParams({ token: authorization.replace(/^Bearer /, "") }),
  });
  const { active, aud, scope = "" } = (await response.json()) as Record<string, unknown>;
  return active === true && aud === audience ? String(scope) : undefined;
}
