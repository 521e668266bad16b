import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionContext } from "ava";
import { exportJWK, generateKeyPair } from "jose";
import { type AccessToken, type Context, errors, Provider } from "oidc-provider";

/** What the standard issuer knows: its client, and its one user. */
export const CLIENT = { id: "demo:client", secret: "s3cret/+ value%" };
export const USER = { name: "me@example.com", password: "pass word" };

interface IssuerOptions {
  /** Only the newest access token of a sign-in is valid. */
  singleAccessToken?: boolean;
  /** Metadata of the client (RFC 7591 section 2) over the usual ones. */
  client?: Readonly<Record<string, unknown>>;
  features?: Readonly<Record<string, unknown>>;
}

/**
 * A conformant issuer: client_credentials, the password grant (as a custom one: `oidc-provider` leaves
 * it out), and refresh tokens that rotate and whose reuse revokes them all. Gives its token endpoint;
 * beside it, /api takes its access tokens.
 */
export async function startOidcProvider(
  t: ExecutionContext,
  clientAuth = "client_secret_basic",
  { singleAccessToken = false, client = {}, features = {} }: IssuerOptions = {},
): Promise<string> {
  let handle: ReturnType<Provider["callback"]> = () => {};
  const server = createServer((request, response) => handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = await createProvider(origin, clientAuth, { client, features });
  if (singleAccessToken) revokeBefore(provider);
  const callback = provider.callback();
  handle = (request, response) => {
    if (request.url === "/api") void answerAsApi(provider, request, response);
    else callback(request, response);
  };
  return `${origin}/token`;
}

/** Each access token ends the one that the same sign-in brought before, as at Ory Hydra. */
function revokeBefore(provider: Provider): void {
  const last = new Map<string, AccessToken>();
  provider.on("access_token.saved", (token) => {
    void last.get(token.grantId)?.destroy();
    last.set(token.grantId, token);
  });
}

/** 200 for an access token that is valid now, else 401. */
async function answerAsApi(
  provider: Provider,
  { headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const token = (headers.authorization ?? "").replace(/^Bearer /, "");
  const known = await provider.AccessToken.find(token);
  response.writeHead(known ? 200 : 401).end();
}

async function createProvider(
  origin: string,
  clientAuth: string,
  options: Pick<IssuerOptions, "client" | "features">,
): Promise<Provider> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const key = { ...(await exportJWK(privateKey)), alg: "ES256", use: "sig" };
  const client = {
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
    token_endpoint_auth_method: clientAuth,
    grant_types: ["client_credentials", "password", "refresh_token"],
    scope: "offline_access read",
    id_token_signed_response_alg: "ES256",
    redirect_uris: [],
    response_types: [],
    ...options.client,
  };
  const provider = new Provider(origin, {
    clients: [client],
    jwks: { keys: [key] },
    cookies: { keys: ["only for tests"] },
    scopes: ["offline_access", "read", "write"],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      ...options.features,
    },
    ttl: { ClientCredentials: 600, AccessToken: 600, RefreshToken: 86_400, Grant: 86_400 },
    rotateRefreshToken: true,
    findAccount: (_: unknown, accountId: string) => ({
      accountId,
      claims: () => ({ sub: accountId }),
    }),
  });
  provider.registerGrantType("password", (context) => signIn(provider, context), [
    "username",
    "password",
    "scope",
  ]);
  return provider;
}

async function signIn(provider: Provider, context: Context): Promise<void> {
  const { client, params } = context.oidc;
  if (params.username !== USER.name || params.password !== USER.password) {
    throw new errors.InvalidGrant("wrong user name or password");
  }
  const scope = "offline_access read";
  const owner = { accountId: USER.name, client };
  const grant = new provider.Grant({ accountId: USER.name, clientId: client.clientId });
  grant.addOIDCScope(scope);
  const common = { ...owner, grantId: await grant.save(), gty: "password", scope };
  const accessToken = new provider.AccessToken(common);
  const refreshToken = new provider.RefreshToken(common);
  context.body = {
    access_token: await accessToken.save(),
    refresh_token: await refreshToken.save(),
    expires_in: accessToken.expiration,
    token_type: "Bearer",
    scope,
  };
}
