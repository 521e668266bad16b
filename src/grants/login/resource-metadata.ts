/** Finds out where an API's tokens come from: its protected resource metadata (RFC 9728). */
import { omitUndefined } from "../../base/omit-undefined.ts";
import { shellWord } from "../../base/shell-word.ts";
import { quoted } from "../../base/terminal-safe.ts";
import * as z from "../../base/zod.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { IssuerResponse, SendToIssuer } from "../grant.ts";
import { readMembers } from "../oauth-problem.ts";
import { whyUnfitAddress } from "./private-address.ts";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

const schema = z.object({
  resource: z.string(),
  authorization_servers: z.catch(z.optional(z.array(z.string())), undefined),
  scopes_supported: z.catch(z.optional(z.array(z.string())), undefined),
  dpop_bound_access_tokens_required: z.catch(z.optional(z.boolean()), undefined),
});

/** What an API says about itself. `resource` is its identifier as the issuer knows it. */
export interface ResourceMetadata {
  resource: string;
  issuers: readonly [string, ...string[]];
  scopes?: readonly string[];
  isDpopRequired: boolean;
}

/** A document of metadata, and the identifiers that it may be about. */
interface Place {
  url: string;
  identifiers: readonly string[];
}

/** What the API answered to a request without a token. */
export interface Unauthorized {
  /** The metadata's address in its challenge (section 5.1). */
  metadataUrl?: string;
}

/**
 * Reads the metadata of the API at `resource`: where its challenge says they are, else at the well-known places
 * for its path and for its origin. Rejects with AuthdError `invalid_params` for metadata that may not be used,
 * `issuer_unavailable` for those that can't be had.
 */
export async function readResourceMetadata(
  { credential, send }: { credential: string; send: SendToIssuer },
  resource: URL,
  { metadataUrl }: Unauthorized,
): Promise<ResourceMetadata> {
  if (metadataUrl !== undefined) assertFit(credential, resource, "resource_metadata", metadataUrl);
  const places =
    metadataUrl === undefined
      ? wellKnownPlaces(resource)
      : [{ url: metadataUrl, identifiers: [resource.href] }];
  const tried: string[] = [];
  for (const place of places) {
    const response = await read(send, place.url).catch((error) => {
      const reason = error instanceof AuthdError ? error.reason : "issuer_unavailable";
      throw unusable(credential, resource, messageOf(error), reason);
    });
    const { data } = schema.safeParse(
      response.status === 200 ? readMembers(response.text) : undefined,
    );
    if (data) return checked(credential, resource, place, data);
    tried.push(`${place.url} answered HTTP ${response.status} without any`);
  }
  const why = `${tried.join("; ")}. If you know its issuer: authd add ${credential} --grant authorization_code --set issuer=… --set resource=${resource.href}`;
  throw unusable(credential, resource, why, "issuer_unavailable");
}

/** Section 3.1: the path follows the well-known one; MCP servers may have them at the root, too. */
function wellKnownPlaces({ origin, pathname, search, href }: URL): Place[] {
  const path = pathname === "/" ? "" : pathname;
  const own = { url: `${origin}${WELL_KNOWN}${path}${search}`, identifiers: [href] };
  const root = { url: `${origin}${WELL_KNOWN}`, identifiers: [href, `${origin}/`] };
  return own.url === root.url ? [root] : [own, root];
}

function read(send: SendToIssuer, url: string): Promise<IssuerResponse> {
  const headers = { accept: "application/json" };
  return send({ method: "GET", url, headers, urlKey: "--resource", repeatable: true });
}

/** Section 3.3: metadata about another resource must not be used. */
function checked(
  credential: string,
  resource: URL,
  { url, identifiers }: Place,
  data: z.output<typeof schema>,
): ResourceMetadata {
  const { resource: named, authorization_servers = [], scopes_supported: scopes } = data;
  if (!URL.canParse(named) || !identifiers.includes(new URL(named).href)) {
    const isNear = URL.canParse(named) && new URL(named).origin === resource.origin;
    const next = isNear
      ? `; if you mean that: authd add ${credential} --resource ${shellWord(new URL(named).href)}`
      : "";
    const why = `${url} is about ${quoted(named)}${next}.`;
    throw unusable(credential, resource, why, "invalid_params");
  }
  const [first, ...others] = authorization_servers;
  if (first === undefined) {
    const why = `${url} names no authorization server.`;
    throw unusable(credential, resource, why, "invalid_params");
  }
  return {
    resource: named,
    issuers: [first, ...others],
    isDpopRequired: data.dpop_bound_access_tokens_required === true,
    ...omitUndefined({ scopes }),
  };
}

/** Throws AuthdError `invalid_params` for an address that a server named, and that authd does not ask. */
export function assertFit(credential: string, namedBy: URL, key: string, address: string): void {
  const why = whyUnfitAddress(address, namedBy);
  if (why === undefined) return;
  throw new AuthdError(
    "invalid_params",
    `${credential}: ${namedBy.origin} names as ${key} ${quoted(address)}, which ${why}; nothing was sent there`,
    { credential },
  );
}

function unusable(credential: string, resource: URL, why: string, reason: AuthdError["reason"]) {
  return new AuthdError(
    reason,
    `${credential}: the metadata of ${resource.href} can't be used: ${why}`,
    { credential },
  );
}
