/** Reads an issuer's metadata by its address alone (RFC 8414, OpenID Connect Discovery). */
import { quoted } from "../../base/terminal-safe.ts";
import { AuthdError, type IssuerContact, messageOf } from "../../errors.ts";
import type { IssuerResponse, SendToIssuer } from "../grant.ts";
import { readMembers } from "../oauth-problem.ts";
import { type IssuerMetadata, readMetadata } from "./metadata.ts";

/** No secret is sent, so a failure never means that one was lost. */
const UNSENT: IssuerContact = { sent: false, answered: false };

/** Where metadata may be, in the order in which it is looked for. */
const PLACES: readonly ((issuer: URL) => string)[] = [
  ({ origin, pathname }) => `${origin}${trimmed(pathname)}/.well-known/openid-configuration`,
  ({ origin, pathname }) => `${origin}/.well-known/oauth-authorization-server${trimmed(pathname)}`,
  ({ origin, pathname }) => `${origin}/.well-known/openid-configuration${trimmed(pathname)}`,
];

interface DiscoveryContext {
  credential: string;
  send: SendToIssuer;
}

/** Rejects with AuthdError `issuer_unavailable` whose contact says that nothing secret was sent. */
export async function discover(
  { credential, send }: DiscoveryContext,
  issuer: string,
): Promise<IssuerMetadata> {
  const url = new URL(issuer);
  let why = "";
  for (const address of new Set(PLACES.map((place) => place(url)))) {
    const response = await read(send, address).catch((error) => {
      throw unreadable(credential, issuer, whyIn(error), error);
    });
    const metadata = response.status === 200 ? readMetadata(readMembers(response.text)) : undefined;
    if (metadata && isIssuer(metadata, url)) return metadata;
    if (metadata) {
      throw unreadable(credential, issuer, `it says that it is ${quoted(metadata.issuer)}.`);
    }
    why ||= `${address} answered HTTP ${response.status} without any.`;
  }
  throw unreadable(credential, issuer, why);
}

function read(send: SendToIssuer, url: string): Promise<IssuerResponse> {
  const headers = { accept: "application/json" };
  return send({ method: "GET", url, headers, urlKey: "issuer", repeatable: true });
}

/** Returns what happened to a request, without that there is no token: the message around it says so. */
function whyIn(error: unknown): string {
  return messageOf(error).replace(/^"[^"]*" got no token from [^ ]*: /, "");
}

/** RFC 8414 section 3.3, but for a slash at the end of an address without a path. */
function isIssuer({ issuer }: IssuerMetadata, url: URL): boolean {
  return URL.canParse(issuer) && new URL(issuer).href === url.href;
}

function trimmed(pathname: string): string {
  return pathname.replace(/\/$/, "");
}

function unreadable(credential: string, issuer: string, why: string, error?: unknown): AuthdError {
  const reason =
    error instanceof AuthdError && error.reason !== "internal"
      ? error.reason
      : "issuer_unavailable";
  const lasting = error === undefined ? { lasting: true } : {};
  return new AuthdError(
    reason,
    `"${credential}" got no token: the metadata of its issuer ${issuer} could not be read: ${why} Check issuer, or give authorization_url and token_url.`,
    { credential, contact: { ...UNSENT, ...lasting } },
  );
}
