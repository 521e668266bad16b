/** Finds out how a person signs in for an API, from its address alone (RFC 9728), and what authd would send where. */
import { challengeHeader, parseChallenges } from "../base/challenges.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { isScope } from "../base/scope.ts";
import { quoted } from "../base/terminal-safe.ts";
import {
  assertCredentialName,
  coerceSettings,
  readPresets,
  updateCredentialFile,
} from "../config/config.ts";
import { parseUrl } from "../config/urls.ts";
import { AuthdError, messageOf } from "../errors.ts";
import {
  addressesOf,
  assertFit,
  discover,
  type IssuerMetadata,
  type ResourceMetadata,
  readResourceMetadata,
} from "../grants/login/index.ts";
import { createIssuerSend } from "../http/issuer.ts";
import type { DiscoverResult, ParamsOf } from "../protocol.ts";
import type { AdminContext } from "./admin-context.ts";

const GRANT = { grant: "authorization_code" };
const HEAD_TIMEOUT_MS = 10_000;
const MAX_SCOPES = 64;

type Given = Readonly<Record<string, unknown>>;

/** Sends no secret, and changes nothing. Rejects with AuthdError. */
export async function discoverResource(
  context: AdminContext,
  { name, resource: text, settings = {} }: ParamsOf<"credentials/discover">,
): Promise<DiscoverResult> {
  assertCredentialName(name);
  const url = resourceUrl(name, text);
  const { grant: _, ...given } = coerceSettings(GRANT, settings, readPresets(context.dir));
  const ca = caOf(context, name, given);
  const send = senderFor(context, name, ca);
  const { metadataUrl, scope } = await askWithoutToken(context, name, url, ca);
  const about = { credential: name, send };
  const resource = await readResourceMetadata(about, url, omitUndefined({ metadataUrl }));
  const issuer = issuerOf(name, url, resource, given.issuer);
  const metadata = await discover(about, issuer);
  assertSignsIn(name, url, metadata);
  return describe(name, { url, resource, metadata, scope, given, issuer });
}

/** Returns the sender of requests that carry no secret, to servers of which nothing else is known. */
export function senderFor({ http }: Pick<AdminContext, "http">, name: string, ca?: string) {
  return createIssuerSend({
    ...{ http, credential: name, allowInsecureHttp: false },
    ...omitUndefined({ ca }),
  });
}

/** Returns the private CA that the credential would trust, by these settings and the defaults of config.toml. */
export function caOf({ reloader }: AdminContext, name: string, { ca_file }: Given) {
  const file = updateCredentialFile({ grant: "static" }, omitUndefined({ ca_file }));
  return reloader.resolver()(name, file).ca;
}

function resourceUrl(name: string, text: string): URL {
  const url = parseUrl(text, `${name}: the resource`, false);
  if (text.includes("#")) {
    throw new AuthdError("invalid_params", `${name}: the resource must have no fragment (#…)`, {
      credential: name,
    });
  }
  return url;
}

/** Asks as a client without a token would: the answer's head says enough, and an event stream never ends. */
async function askWithoutToken({ http }: AdminContext, name: string, url: URL, ca?: string) {
  const headers = { accept: "application/json, text/event-stream" };
  const response = await http({
    ...{ method: "GET", url: url.href, headers, timeoutMs: HEAD_TIMEOUT_MS },
    ...omitUndefined({ ca }),
  }).catch((error) => {
    const message = `${name}: ${url.origin} could not be asked: ${messageOf(error)}`;
    throw new AuthdError("issuer_unavailable", message, { credential: name });
  });
  response.body.destroy();
  if (response.status !== 401) return {};
  const challenges = parseChallenges(challengeHeader(response.headers));
  const named = challenges.find(({ parameters }) => parameters.resource_metadata !== undefined);
  const { resource_metadata: metadataUrl, scope } =
    (named ?? challenges.find(({ scheme }) => scheme === "bearer"))?.parameters ?? {};
  return { metadataUrl, scope };
}

/** Returns the issuer that the person names, which must be one of the API's, or its first. */
function issuerOf(name: string, url: URL, { issuers }: ResourceMetadata, given: unknown): string {
  const wanted =
    given === undefined ? undefined : parseUrl(String(given), `${name}: issuer`, false).href;
  const issuer =
    wanted === undefined
      ? issuers[0]
      : issuers.find((one) => URL.canParse(one) && new URL(one).href === wanted);
  if (issuer === undefined) {
    throw new AuthdError(
      "invalid_params",
      `${name}: ${url.origin} takes no tokens of ${quoted(String(given))}; its authorization servers: ${issuers.map(quoted).join(", ")}`,
      { credential: name },
    );
  }
  assertFit(name, url, "authorization server", issuer);
  return issuer;
}

/** Throws AuthdError `invalid_params` for an issuer at which no person can sign in safely. */
export function assertSignsIn(name: string, namedBy: URL, metadata: IssuerMetadata): void {
  for (const [key, is] of addressesOf(metadata, true)) assertFit(name, namedBy, key, is);
  const missing = (["authorization_endpoint", "token_endpoint"] as const).find(
    (key) => metadata[key] === undefined,
  );
  const why = missing
    ? `its metadata name no ${missing}`
    : metadata.code_challenge_methods_supported?.includes("S256") !== true
      ? "its metadata do not say that it supports PKCE (code_challenge_methods_supported with S256), without which a code could be stolen"
      : undefined;
  if (why === undefined) return;
  const message = `${name}: nobody can sign in at ${metadata.issuer}: ${why}`;
  throw new AuthdError("invalid_params", message, { credential: name });
}

interface Found {
  url: URL;
  resource: ResourceMetadata;
  metadata: IssuerMetadata;
  issuer: string;
  /** Of the challenge. */
  scope: string | undefined;
  given: Given;
}

function describe(name: string, found: Found): DiscoverResult {
  const { url, resource, metadata, issuer, given } = found;
  const client = clientOf(name, metadata, given.client_id);
  const settings = {
    issuer,
    resource: resource.resource,
    origins: [url.origin],
    ...(resource.isDpopRequired ? { dpop: true } : {}),
    ...scopeSettings(found),
    ...given,
  };
  const origins = [issuer, ...addressesOf(metadata, true).values()].map(
    (address) => new URL(address).origin,
  );
  return {
    ...{ resource: resource.resource, issuer, issuerOrigins: [...new Set(origins)], client },
    ...omitUndefined({ others: others(resource, issuer) }),
    settings: settings as DiscoverResult["settings"],
  };
}

function others({ issuers }: ResourceMetadata, issuer: string): string[] | undefined {
  const left = issuers.filter((one) => one !== issuer);
  return left.length > 0 ? left : undefined;
}

/** The challenge's scope, else all that the API names; and what brings a refresh token, where the issuer has it. */
function scopeSettings({ scope, resource, metadata, given }: Found) {
  if (given.scope !== undefined) return {};
  const words = (scope ?? resource.scopes?.join(" ") ?? "").split(" ").filter(isScope);
  // A list that no person wrote for this use: the issuer then decides what a sign-in may do.
  const named = words.length > MAX_SCOPES ? [] : words;
  const hasOffline = metadata.scopes_supported?.includes("offline_access") === true;
  const all = [...new Set([...named, ...(hasOffline ? ["offline_access"] : [])])];
  return {
    ...(all.length > 0 ? { scope: all.join(" ") } : {}),
    // OpenID Connect Core section 11.
    ...(all.includes("offline_access") ? { prompt: "consent" } : {}),
  };
}

function clientOf(name: string, metadata: IssuerMetadata, id: unknown): DiscoverResult["client"] {
  if (id === undefined) return metadata.registration_endpoint ? "registers" : "missing";
  if (!String(id).startsWith("https://")) return "given";
  if (metadata.client_id_metadata_document_supported === true) return "metadata_document";
  throw new AuthdError(
    "invalid_params",
    `${name}: ${metadata.issuer} takes no client-id metadata document: set client_id to the id of a client of yours there, or leave it out`,
    { credential: name },
  );
}
