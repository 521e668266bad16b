import type { AuthorizedResponse } from "../protocol.ts";
import type { AuditedCall } from "./audit-interceptor.ts";
import type { AuditEntry, AuditPeer } from "./entry.ts";

export const MAX_NAME_LENGTH = 64;
const MAX_ORIGIN_LENGTH = 300;
const NOWHERE = { origin: undefined, request: undefined } as const;

/** Returns the line for a call, in one shape for all. Members that are undefined are not written. */
export function entryOf(
  { event, method, params, call, outcome, result }: AuditedCall,
  peer: AuditPeer,
  time: number,
  token: string | undefined,
): AuditEntry {
  // `login/finish` and `tokenFiles/remove` name something else; their answers name the credential.
  const told = result as { name?: unknown; credential?: unknown } | undefined;
  const named = params.name ?? told?.name ?? told?.credential;
  const { credential = named, url, answer, id } = params;
  const isRequest = method === "authorizedRequest";
  const { status, refreshed } =
    ((isRequest ? result : undefined) as Partial<AuthorizedResponse>) ?? {};
  const { origin, request } = isRequest
    ? requested(call.origin ?? originOf(url), params.method)
    : NOWHERE;
  const isAnswer = event === "approval";
  return {
    time,
    event,
    method,
    credential: typeof credential === "string" ? credential.slice(0, MAX_NAME_LENGTH) : undefined,
    origin,
    request,
    status,
    refreshed: refreshed === true ? refreshed : undefined,
    outcome,
    rule: call.rule,
    question: isAnswer ? (id as number) : undefined,
    answer: isAnswer ? (answer as string) : undefined,
    peer,
    token,
  };
}

function requested(
  origin: string | undefined,
  method: unknown,
): Pick<AuditEntry, "origin" | "request"> {
  const request = typeof method === "string" ? method.toUpperCase().slice(0, 16) : "GET";
  return { origin: origin?.slice(0, MAX_ORIGIN_LENGTH), request };
}

/** Keeps the origin of an address alone: paths and queries may hold secrets. */
function originOf(url: unknown): string | undefined {
  try {
    return new URL(String(url)).origin;
  } catch {
    return undefined;
  }
}
