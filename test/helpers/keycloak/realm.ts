/** A realm of Keycloak with one person in it, made through the admin's API. */
import { randomBytes } from "node:crypto";
import type { KeycloakAddress } from "./server.ts";

/** A client, as the admin's API describes it (ClientRepresentation). */
export interface KeycloakClient {
  clientId: string;
  attributes?: Record<string, string>;
  [member: string]: unknown;
}

export interface Realm {
  /** The issuer, over HTTP, and over HTTPS (which shows `ca`, and asks for client certificates). */
  issuer: string;
  secureIssuer: string;
  server: KeycloakAddress;
  person: { username: string; password: string };
  /** Changes settings of the realm (RealmRepresentation). */
  change(settings: Record<string, unknown>): Promise<void>;
  /** Ends all sessions of all people. */
  endSessions(): Promise<void>;
  /** Returns how often something happened at a client, such as `REFRESH_TOKEN`. */
  count(type: string, clientId: string): Promise<number>;
}

/** Loopback, on any port (RFC 8252). */
const REDIRECTS = ["http://127.0.0.1/callback", "http://[::1]/callback"];

/** For people: public, with PKCE. */
export function publicClient(clientId: string, attributes: Record<string, string> = {}) {
  return {
    ...{ clientId, publicClient: true, redirectUris: REDIRECTS },
    attributes: {
      "pkce.code.challenge.method": "S256",
      "oauth2.device.authorization.grant.enabled": "true",
      ...attributes,
    },
  } satisfies KeycloakClient;
}

/** For programs: proves itself as `clientAuthenticatorType` says. */
export function confidentialClient(clientId: string, more: Partial<KeycloakClient> = {}) {
  return {
    ...{ clientId, publicClient: false, serviceAccountsEnabled: true, standardFlowEnabled: false },
    ...more,
  } satisfies KeycloakClient;
}

/** Makes a realm whose refresh tokens are good for one use. */
export async function createRealm(
  server: KeycloakAddress,
  clients: readonly KeycloakClient[],
): Promise<Realm> {
  const name = `test-${randomBytes(4).toString("hex")}`;
  const person = { username: "ada", password: randomBytes(12).toString("hex") };
  await callAdmin(server, "POST", "", {
    ...{ realm: name, enabled: true, eventsEnabled: true, eventsExpiration: 3_600 },
    // Keycloak keeps no events about refresh tokens unless they are named.
    enabledEventTypes: ["CODE_TO_TOKEN", "REFRESH_TOKEN_ERROR", "REVOKE_GRANT"],
    ...{ revokeRefreshToken: true, refreshTokenMaxReuse: 0 },
    users: [
      {
        ...{ username: person.username, enabled: true, emailVerified: true },
        ...{ email: "ada@example.com", firstName: "Ada", lastName: "Example" },
        credentials: [{ type: "password", value: person.password }],
      },
    ],
    clients: clients.map((client) => ({ protocol: "openid-connect", enabled: true, ...client })),
  });
  return {
    issuer: `${server.http}/realms/${name}`,
    secureIssuer: `${server.https}/realms/${name}`,
    ...{ server, person },
    change: async (settings) => {
      await callAdmin(server, "PUT", `/${name}`, settings);
    },
    endSessions: async () => {
      await callAdmin(server, "POST", `/${name}/logout-all`);
    },
    count: async (type, clientId) => {
      const query = new URLSearchParams({ type, client: clientId });
      const events = await callAdmin(server, "GET", `/${name}/events?${query}`);
      return (events as unknown[]).length;
    },
  };
}

/** Returns what the admin's API answers; rejects with what it says of a mistake. */
async function callAdmin(server: KeycloakAddress, method: string, path: string, body?: unknown) {
  const response = await fetch(`${server.http}/admin/realms${path}`, {
    method,
    headers: {
      authorization: `Bearer ${await adminToken(server)}`,
      "content-type": "application/json",
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}

async function adminToken({ http, admin }: KeycloakAddress): Promise<string> {
  const form = { grant_type: "password", client_id: "admin-cli", ...admin };
  const body = new URLSearchParams(form);
  const url = `${http}/realms/master/protocol/openid-connect/token`;
  const response = await fetch(url, { method: "POST", body });
  const { access_token } = (await response.json()) as { access_token: string };
  return access_token;
}
