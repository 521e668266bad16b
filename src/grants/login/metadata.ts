/** An issuer's metadata (RFC 8414 section 2, OpenID Connect Discovery section 3), as far as authd uses it. */
import { omitUndefined } from "../../base/omit-undefined.ts";
import * as z from "../../base/zod.ts";

const text = z.catch(z.optional(z.string()), undefined);
const flag = z.catch(z.optional(z.boolean()), undefined);
const list = z.catch(z.optional(z.array(z.string())), undefined);

/** Addresses that requests, keys or a person's browser go to. */
const endpoints = {
  authorization_endpoint: text,
  token_endpoint: text,
  device_authorization_endpoint: text,
  pushed_authorization_request_endpoint: text,
  revocation_endpoint: text,
  introspection_endpoint: text,
  registration_endpoint: text,
  jwks_uri: text,
};

/** Addresses for clients that show a certificate (RFC 8705 section 5). */
const aliases = z.catch(z.optional(z.partial(z.object(endpoints))), undefined);

const schema = z.object({
  issuer: z.string(),
  ...endpoints,
  mtls_endpoint_aliases: aliases,
  authorization_response_iss_parameter_supported: flag,
  require_pushed_authorization_requests: flag,
  require_signed_request_object: flag,
  request_object_signing_alg_values_supported: list,
  id_token_signing_alg_values_supported: list,
  token_endpoint_auth_methods_supported: list,
  scopes_supported: list,
  grant_types_supported: list,
  code_challenge_methods_supported: list,
  client_id_metadata_document_supported: flag,
});

type EndpointName = keyof typeof endpoints;

export type IssuerMetadata = { issuer: string } & Partial<Record<EndpointName, string>> & {
    mtls_endpoint_aliases?: Partial<Record<EndpointName, string>>;
    authorization_response_iss_parameter_supported?: boolean;
    require_pushed_authorization_requests?: boolean;
    require_signed_request_object?: boolean;
    request_object_signing_alg_values_supported?: string[];
    id_token_signing_alg_values_supported?: string[];
    token_endpoint_auth_methods_supported?: string[];
    scopes_supported?: string[];
    grant_types_supported?: string[];
    code_challenge_methods_supported?: string[];
    client_id_metadata_document_supported?: boolean;
  };

/** Keeps the members that authd uses; one of another type counts as absent. Undefined without an issuer. */
export function readMetadata(value: unknown): IssuerMetadata | undefined {
  const { data } = schema.safeParse(value);
  if (!data) return undefined;
  const { mtls_endpoint_aliases: given, ...rest } = data;
  const mtls_endpoint_aliases = given && omitUndefined(given);
  return omitUndefined({ ...rest, mtls_endpoint_aliases }) as IssuerMetadata;
}

/** True for a client that shows a certificate, to which the issuer may give addresses of its own. */
export function usesAliases(own: unknown): boolean {
  return (own as { client_auth?: string }).client_auth === "tls";
}

/** Keys of a credential file, and the members that stand in for them where the file gives only `issuer`. */
const ENDPOINT_OF = {
  authorization_url: "authorization_endpoint",
  token_url: "token_endpoint",
  device_url: "device_authorization_endpoint",
  par_url: "pushed_authorization_request_endpoint",
  revocation_url: "revocation_endpoint",
  introspection_url: "introspection_endpoint",
} as const satisfies Record<string, EndpointName>;

/**
 * Returns a grant's settings with what its file leaves to the issuer: addresses, and for a client with a
 * secret that it goes into the form, where the issuer takes it there and not in the header.
 */
export function withEndpoints(
  own: unknown,
  metadata: IssuerMetadata | undefined,
  hasClientSecret: boolean,
): unknown {
  if (!metadata) return own;
  const aliased = usesAliases(own) ? metadata.mtls_endpoint_aliases : undefined;
  const found = Object.entries(ENDPOINT_OF).map(([key, name]) => [
    key,
    (key === "authorization_url" ? undefined : aliased?.[name]) ?? metadata[name],
  ]);
  const methods = metadata.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  const isPost = methods.includes("client_secret_post") && !methods.includes("client_secret_basic");
  return {
    ...omitUndefined(Object.fromEntries(found)),
    ...(isPost && hasClientSecret ? { client_auth: "post" } : {}),
    ...(own as Record<string, unknown>),
  };
}

/** Returns each address of `next` at an origin that `known` has nowhere; aliases only for a client that uses them. */
export function foreignEndpoints(
  known: IssuerMetadata,
  next: IssuerMetadata,
  countsAliases: boolean,
): { key: string; was: string | undefined; is: string }[] {
  const before = addressesOf(known, true);
  const origins = new Set([known.issuer, ...before.values()].map(originOf));
  return Array.from(addressesOf(next, countsAliases))
    .filter(([, is]) => !origins.has(originOf(is)))
    .map(([key, is]) => ({ key, was: before.get(key), is }));
}

/** Returns the addresses that the metadata name, by the names of their members; aliases where they count. */
export function addressesOf(metadata: IssuerMetadata, countsAliases: boolean): Map<string, string> {
  const { mtls_endpoint_aliases = {} } = metadata;
  const addresses = new Map<string, string>();
  const add = (key: string, is: string | undefined) => is !== undefined && addresses.set(key, is);
  for (const name of Object.keys(endpoints) as EndpointName[]) {
    add(name, metadata[name]);
    if (countsAliases) add(`mtls_endpoint_aliases.${name}`, mtls_endpoint_aliases[name]);
  }
  return addresses;
}

function originOf(address: string): string {
  return URL.canParse(address) ? new URL(address).origin : address;
}
