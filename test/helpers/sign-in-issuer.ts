/** A conformant issuer that people sign in to: `oidc-provider` with every flow switched on. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionContext } from "ava";
import { exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

export const PUBLIC_CLIENT = "app";
export const SECRET_CLIENT = { id: "signing", secret: "s3cret/+ value% that is long enough" };

export interface SignInIssuer {
  readonly url: string;
  /** Paths of the requests, in order. */
  readonly requests: string[];
  /** Replaces the keys, as issuers do now and then. */
  rotateKeys(): Promise<void>;
  /** Lets the metadata be others than they are. */
  metadata: Record<string, unknown>;
  /** Answers a path in the issuer's place, or after a while lets it answer (undefined). */
  override?: ((path: string) => Override | Promise<Override>) | undefined;
}

type Override = { status: number; body: unknown } | undefined;

interface IssuerOptions {
  /** Requests must be pushed (RFC 9126). */
  requiresPush?: boolean;
  /** Further features of the provider. */
  features?: Record<string, unknown>;
  /** Further members of the provider's configuration. */
  configuration?: Record<string, unknown>;
}

export async function startSignInIssuer(
  t: ExecutionContext,
  options: IssuerOptions = {},
): Promise<SignInIssuer> {
  let handle: ReturnType<Provider["callback"]> = () => {};
  const requests: SignInIssuer["requests"] = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://issuer");
    requests.push(pathname);
    const given = await issuer.override?.(pathname);
    if (given) {
      response.writeHead(given.status, { "content-type": "application/json" });
      response.end(JSON.stringify(given.body));
      return;
    }
    if (pathname.startsWith("/.well-known/")) {
      const end = response.end.bind(response);
      // The provider answers in one piece.
      response.end = ((body: Buffer | string) => {
        const metadata = { ...JSON.parse(String(body)), ...issuer.metadata };
        const text = JSON.stringify(metadata);
        response.setHeader("content-length", Buffer.byteLength(text));
        return end(text);
      }) as typeof response.end;
    }
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer: SignInIssuer = {
    url,
    requests,
    metadata: {},
    async rotateKeys() {
      handle = (await createProvider(url, options)).callback();
    },
  };
  await issuer.rotateKeys();
  return issuer;
}

async function createProvider(
  url: string,
  { requiresPush = false, features, configuration }: IssuerOptions,
): Promise<Provider> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const key = {
    ...(await exportJWK(privateKey)),
    alg: "ES256",
    use: "sig",
    kid: crypto.randomUUID(),
  };
  const common = {
    application_type: "native",
    redirect_uris: ["http://127.0.0.1/callback", "http://[::1]/callback"],
    response_types: ["code"],
    grant_types: [
      "authorization_code",
      "refresh_token",
      "urn:ietf:params:oauth:grant-type:device_code",
    ],
    id_token_signed_response_alg: "ES256",
  };
  return new Provider(url, {
    clients: [
      { ...common, client_id: PUBLIC_CLIENT, token_endpoint_auth_method: "none" },
      {
        ...common,
        client_id: SECRET_CLIENT.id,
        client_secret: SECRET_CLIENT.secret,
        token_endpoint_auth_method: "client_secret_basic",
        request_object_signing_alg: "HS256",
        grant_types: [...common.grant_types, "client_credentials"],
      },
    ],
    jwks: { keys: [key] },
    cookies: { keys: ["only for tests"] },
    claims: { openid: ["sub"], email: ["email"] },
    conformIdTokenClaims: false,
    scopes: ["openid", "offline_access", "email"],
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      pushedAuthorizationRequests: {
        enabled: true,
        requirePushedAuthorizationRequests: requiresPush,
      },
      requestObjects: { enabled: true },
      clientCredentials: { enabled: true },
      ...features,
    },
    pkce: { required: () => true },
    ttl: {
      AccessToken: 600,
      RefreshToken: 86_400,
      Grant: 86_400,
      Session: 3_600,
      Interaction: 600,
    },
    rotateRefreshToken: true,
    findAccount: (_: unknown, accountId: string) => ({
      accountId,
      claims: () => ({ sub: accountId, email: `${accountId}@example.com` }),
    }),
    ...configuration,
  });
}
