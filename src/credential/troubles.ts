/** Faults that trying again will hardly change, sealed so that a restart does not forget them. */
import { hash } from "node:crypto";
import type { CredentialSettings } from "../config/settings.ts";
import type { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import type { Trouble } from "../protocol.ts";
import { lifetimeTroubles } from "./lifetime-fault.ts";
import type { CredentialRecord, SeenTrouble } from "./record.ts";
import { demandTroubles } from "./step-up.ts";

/** True for an answer, or a name without a host, that another try will hardly change. */
export function isLastingFailure({ contact }: AuthdError): boolean {
  return Boolean(contact?.lasting || contact?.unknownHost || contact?.blocked);
}

/**
 * Notes on `record` that a token request went to a place that gives no tokens. Returns true if that has
 * to be sealed, as it was not noted before.
 */
export function noteFailure(
  record: CredentialRecord,
  settings: CredentialSettings,
  failure: AuthdError,
): boolean {
  if (!isLastingFailure(failure)) return false;
  const { message, contact } = failure;
  const reason = contact?.blocked ? "blocked" : "wrong_address";
  const { writtenRequest } = settings;
  const before = record.troubles?.request;
  const isKnown = before?.reason === reason && before.settings === writtenRequest;
  const request: SeenTrouble = { reason, message, settings: writtenRequest };
  record.troubles = { ...record.troubles, request };
  return !isKnown;
}

/** Forgets the fault of the token request, as a token came. */
export function forgetFailure(record: CredentialRecord): void {
  if (!record.troubles) return;
  const { request: _, ...rest } = record.troubles;
  record.troubles = rest;
}

/** Records the result of a test of the API; undefined: it worked. Returns true if that has to be sealed. */
export function noteTest(
  record: CredentialRecord,
  settings: CredentialSettings,
  failure: { status?: number; message: string } | undefined,
): boolean {
  if (!failure && !record.troubles?.test) return false;
  const { test: _, ...rest } = record.troubles ?? {};
  const seen = { reason: "test_failed", settings: testDigest(settings) } as const;
  record.troubles = failure ? { ...rest, test: { ...seen, ...failure } } : rest;
  return true;
}

/** Lists the current faults, each with the command that fixes it. */
export function troublesOf(
  settings: CredentialSettings,
  record: CredentialRecord | undefined,
): Trouble[] {
  const { request, test } = record?.troubles ?? {};
  const isRequest = request?.settings === settings.writtenRequest;
  // The digest takes long where 10,000 credentials are looked at.
  const isTest = test !== undefined && test.settings === testDigest(settings);
  return [
    ...lifetimeTroubles(settings, record),
    ...demandTroubles(settings, record),
    ...(request && isRequest
      ? [toTrouble(request, requestHelp(settings, request.reason === "blocked"))]
      : []),
    ...(test && isTest ? [toTrouble(test, testHelp(settings, test))] : []),
  ];
}

function toTrouble({ reason, message }: SeenTrouble, help: string): Trouble {
  return { reason, message, help };
}

/** Names the command that mends a token request which gets no token. */
export function requestHelp(settings: CredentialSettings, isBlocked: boolean): string {
  const { name } = settings;
  if (isBlocked) return `authd refresh ${name}, once nothing blocks this machine there`;
  const key = addressKey(settings);
  return key === undefined ? `authd edit ${name}` : `authd set ${name} --set ${key}=…`;
}

function testHelp({ name, verify }: CredentialSettings, { status }: SeenTrouble): string {
  const isSecret = verify === undefined || status === 401 || status === 403;
  return isSecret ? `authd set ${name}` : `authd set ${name} --set verify.url=…`;
}

/**
 * Names the key that a person would change for another token endpoint: the field of a preset that has one.
 * Undefined for a sequence of requests, which has an address in each.
 */
export function addressKey({ preset, grant, own, fields }: CredentialSettings): string | undefined {
  const url = grantNamed(grant).issuerUrl(own, fields) ?? "";
  const inUrl = Object.entries(fields).filter(
    ([, value]) => /^https?:\/\//.test(value) && url.startsWith(value),
  );
  const [longest] = inUrl.sort(([, a], [, b]) => b.length - a.length);
  if (preset !== undefined && longest) return longest[0];
  const { request, steps } = own as { request?: unknown; steps?: unknown };
  if (steps !== undefined) return undefined;
  return request === undefined ? "token_url" : "request.url";
}

function testDigest({ verify, headers, writtenRequest }: CredentialSettings): string {
  const about = JSON.stringify([verify, headers, writtenRequest]);
  return hash("sha256", about, "base64url").slice(0, 11);
}
