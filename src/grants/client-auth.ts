/** Authenticates a client at the token endpoint (RFC 6749 section 2.3.1), in the variants that issuers want. */
import { Buffer } from "node:buffer";
import { AuthdError } from "../errors.ts";

/** Headers and form parameters that authenticate a client. */
export interface ClientProof {
  headers?: { authorization: string };
  form?: { client_id?: string; client_secret?: string };
}

export interface Client {
  id: string;
  secret: string;
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
  /** A public client only names itself. */
  none: ({ id }: Client): ClientProof => ({ form: { client_id: id } }),
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

/**
 * Returns the proof for a token request. Without a method: `basic` for a client with a secret, `none` for one
 * without; without a client id there is nothing to prove. Throws AuthdError `invalid_params` for a client
 * that can't be written that way.
 */
export function proveClient(
  id: string | undefined,
  secret: string | undefined,
  method: ClientAuthMethod = secret === undefined ? "none" : "basic",
): ClientProof {
  if (id === undefined) return {};
  if (method !== "none" && secret === undefined) {
    throw unusable(`client_auth = "${method}" needs a client_secret: enter it.`);
  }
  if (method.startsWith("basic_raw") && id.includes(":")) {
    throw unusable(`client_id holds a colon, which client_auth = "${method}" can't carry.`);
  }
  return methods[method]({ id, secret: secret ?? "" });
}

function encodedBasic({ id, secret }: Client): { authorization: string } {
  return rawBasic({ id: formEncode(id), secret: formEncode(secret) });
}

function rawBasic({ id, secret }: Client): { authorization: string } {
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
