/** Authenticates a client at the token endpoint (RFC 6749 section 2.3.1), in the variants that issuers want. */
import { Buffer } from "node:buffer";
import { AuthdError } from "../errors.ts";
import {
  type AssertingClient,
  assertionShape,
  KEY,
  privateKeyAssertion,
  secretAssertion,
} from "./client-assertion.ts";
import { assertCertificate, certificateSecrets, clientCertificate } from "./client-certificate.ts";
import type { SecretField } from "./grant.ts";

/** Headers and form parameters that authenticate a client. */
export interface ClientProof {
  headers?: { authorization: string };
  form?: Readonly<Record<string, string>>;
}

interface Client {
  id: string;
  /** Empty where the method needs none. */
  secret: string;
  asserting: AssertingClient;
}

/** One row a method. `+post`: some issuers want the client id in the form although the header has it. */
const methods = {
  /** Form-encodes both parts first, as the RFC says. */
  basic: (client: Client): ClientProof => ({ headers: encodedBasic(client) }),
  /** Encodes nothing, as most of the web does it (Realtyna). */
  basic_raw: (client: Client): ClientProof => ({ headers: rawBasic(client) }),
  post: ({ id, secret }: Client): ClientProof => ({
    form: { client_id: id, client_secret: secret },
  }),
  "basic+post": (client: Client): ClientProof => ({
    headers: encodedBasic(client),
    form: { client_id: client.id },
  }),
  "basic_raw+post": (client: Client): ClientProof => ({
    headers: rawBasic(client),
    form: { client_id: client.id },
  }),
  /** Signs a JWT with the secret `key`. */
  private_key_jwt: async ({ asserting }: Client): Promise<ClientProof> => ({
    form: await privateKeyAssertion(asserting),
  }),
  /** Signs a JWT with the client's secret. */
  client_secret_jwt: async ({ asserting }: Client): Promise<ClientProof> => ({
    form: await secretAssertion(asserting),
  }),
  /** Shows a certificate (RFC 8705): the connection proves the client, which only names itself. */
  tls: ({ id, asserting: { settings, secrets } }: Client): ClientProof => {
    assertCertificate(clientCertificate(settings, secrets));
    return { form: { client_id: id } };
  },
  /** A public client only names itself. */
  none: ({ id }: Client): ClientProof => ({ form: { client_id: id } }),
};

/** Methods that need another secret than `client_secret`, or none. */
const SECRETS_OF: Partial<Record<ClientAuthMethod, readonly SecretField[]>> = {
  private_key_jwt: [
    {
      ...{ name: KEY, optional: false, label: "Private key" },
      hint: "PEM or JWK, whose public half the issuer knows",
    },
  ],
  tls: certificateSecrets,
  none: [],
};

type ClientAuthMethod = keyof typeof methods;

/** The names that RFC 7591 section 2 registers, which mean a method of the table. */
const STANDARD_NAMES = {
  client_secret_basic: "basic",
  client_secret_post: "post",
} satisfies Record<string, ClientAuthMethod>;

type ClientAuthName = ClientAuthMethod | keyof typeof STANDARD_NAMES;

/** Every value of `client_auth`. */
export const clientAuthMethods = [...Object.keys(methods), ...Object.keys(STANDARD_NAMES)] as [
  ClientAuthName,
  ...ClientAuthName[],
];

/** Returns the row that a value of `client_auth` means. */
export function toClientAuthMethod(name: ClientAuthName): ClientAuthMethod {
  return Object.hasOwn(STANDARD_NAMES, name)
    ? STANDARD_NAMES[name as keyof typeof STANDARD_NAMES]
    : (name as ClientAuthMethod);
}

/** Returns the secret with which the client proves itself; `optional` where a public client is usual. */
export function clientSecret({ client_id, client_auth }: ClientSettings, optional: boolean) {
  if (client_id === undefined) return [];
  const own = client_auth && SECRETS_OF[client_auth];
  if (own !== undefined) return [...own];
  return [{ name: "client_secret", optional, label: "Client secret" }];
}

/** Returns the names of all secrets with which a client can prove itself. */
export const clientSecretNames: readonly string[] = [
  "client_secret",
  ...Object.values(SECRETS_OF).flatMap((fields) => fields.map(({ name }) => name)),
];

type ClientSettings = AssertingClient["settings"] & { client_auth?: ClientAuthMethod | undefined };

/** True if the client's proof holds the time, so that it is refused where the clocks are apart. */
export function isTimed({ client_auth }: ClientSettings): boolean {
  return client_auth?.endsWith("_jwt") === true;
}

/** Keys of a signature, which only methods that sign use. */
const SIGNATURE_KEYS = Object.keys(assertionShape) as (keyof typeof assertionShape)[];

/** Returns what is wrong with a client's keys, by key; undefined: nothing. `signs`: the grant itself signs, too. */
export function whyUnfitClient(
  settings: ClientSettings,
  signs = false,
): { key: string; why: string } | undefined {
  const { client_auth, client_id, algorithm, certificate } = settings;
  if (client_auth === "tls" && client_id === undefined) {
    return { key: "client_id", why: "is missing" };
  }
  if (!isTimed(settings)) {
    const idle = SIGNATURE_KEYS.find((key) => settings[key] !== undefined);
    if (signs || idle === undefined) return undefined;
    return { key: idle, why: 'has no use without client_auth = "private_key_jwt"' };
  }
  if (client_id === undefined) return { key: "client_id", why: "is missing" };
  const isSecret = client_auth === "client_secret_jwt";
  if (algorithm !== undefined && algorithm.startsWith("HS") !== isSecret) {
    return { key: "algorithm", why: `does not suit client_auth = "${client_auth}"` };
  }
  return isSecret && certificate !== undefined
    ? { key: "certificate", why: "belongs to a private key, which client_secret_jwt does not use" }
    : undefined;
}

/**
 * Returns the proof for a request to the issuer. Without a method: `basic` for a client with a secret, `none` for
 * one without; without a client id there is nothing to prove. Throws AuthdError `invalid_params` for a client
 * that can't be written that way.
 */
export async function proveClient(
  asserting: Omit<AssertingClient, "settings"> & { settings: ClientSettings },
): Promise<ClientProof> {
  const { client_id: id, client_auth } = asserting.settings;
  const { client_secret: secret } = asserting.secrets;
  const method = client_auth ?? (secret === undefined ? "none" : "basic");
  if (id === undefined) return {};
  if (SECRETS_OF[method] === undefined && secret === undefined) {
    throw unusable(`client_auth = "${method}" needs a client_secret: enter it.`);
  }
  if (method.startsWith("basic_raw") && id.includes(":")) {
    throw unusable(`client_id holds a colon, which client_auth = "${method}" can't carry.`);
  }
  return await methods[method]({ id, secret: secret ?? "", asserting });
}

function encodedBasic({ id, secret }: Pick<Client, "id" | "secret">): { authorization: string } {
  return rawBasic({ id: formEncode(id), secret: formEncode(secret) });
}

function rawBasic({ id, secret }: Pick<Client, "id" | "secret">): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` };
}

/**
 * Encodes as application/x-www-form-urlencoded, but keeps `~`: issuers that wrongly don't decode then still
 * understand every secret made of unreserved characters.
 */
function formEncode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1).replaceAll("%7E", "~");
}

function unusable(message: string): AuthdError {
  return new AuthdError("invalid_params", message);
}
