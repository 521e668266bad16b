/**
 * Handles an API's demand for more than a token has: another scope (RFC 6750 section 3.1), or a fresher or
 * stronger sign-in (RFC 9470).
 */
import { type Challenge, parseChallenges } from "../base/challenges.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { isScope, normalizeScope } from "../base/scope.ts";
import { shellWord } from "../base/shell-word.ts";
import { namesScopes } from "../config/policy.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { grantNamed, reveals } from "../grants/index.ts";
import type { SignInDemand, Trouble } from "../protocol.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { CredentialRecord, Demand } from "./record.ts";

const MAX_WORDS = 32;
const MAX_WORD_LENGTH = 256;

const ERRORS = ["insufficient_scope", "insufficient_user_authentication"] as const;

/** Returns the challenge that asks for more, and its error; undefined: there is none. */
function demanding(header: string | undefined): Challenge | undefined {
  if (!header?.includes("insufficient_")) return undefined;
  return parseChallenges(header).find(({ parameters }) =>
    ERRORS.some((error) => error === parameters.error),
  );
}

/** True if a 401 asks for more, which no refresh brings. */
export function demandsMore(challenge: string | undefined): boolean {
  return demanding(challenge) !== undefined;
}

/** Returns what the challenge asks for, as far as it can be asked for and told; undefined: nothing. */
export function demandIn(
  header: string | undefined,
  { accessToken }: Pick<IssuedToken, "accessToken">,
): SignInDemand | undefined {
  const { error, scope, acr_values, max_age } = demanding(header)?.parameters ?? {};
  const isScopeError = error === "insufficient_scope";
  const demand = omitUndefined({
    scope: isScopeError ? unionOf(wordsIn(scope, accessToken)) : undefined,
    acrValues: isScopeError ? undefined : wordsIn(acr_values, accessToken),
    maxAge: isScopeError || !/^\d{1,9}$/.test(max_age ?? "") ? undefined : Number(max_age),
  });
  return Object.keys(demand).length > 0 ? demand : undefined;
}

/** Returns the words of an API that may be shown and sent to the issuer: none repeats the token. */
function wordsIn(text: string | undefined, accessToken: string): string | undefined {
  if (text === undefined || !isScope(text)) return undefined;
  const words = text.split(" ").filter((word) => word !== "");
  const isLong = words.length > MAX_WORDS || words.some((word) => word.length > MAX_WORD_LENGTH);
  return isLong || reveals(text, [accessToken]) ? undefined : words.join(" ");
}

/** Returns both scopes as one. */
export function unionOf(...scopes: (string | undefined)[]): string | undefined {
  return normalizeScope(scopes.filter((scope) => scope !== undefined).join(" ")) || undefined;
}

interface StepUpSettings {
  scope?: string;
  step_up_scope?: string;
}

/**
 * Returns the scope of a token that would meet the demand, if no person is needed for it and the file allows all
 * of it. Undefined: the API's answer is the caller's.
 */
export function allowedScope(
  { grant, own, policy }: CredentialSettings,
  { scope: wanted }: SignInDemand,
): string | undefined {
  const { scope, step_up_scope } = own as StepUpSettings;
  const { signsIn } = grantNamed(grant);
  if (wanted === undefined || step_up_scope === undefined || signsIn) return undefined;
  // The rule that admitted the request was asked about the credential's own scope.
  if (namesScopes(policy)) return undefined;
  const allowed = new Set((unionOf(scope, step_up_scope) ?? "").split(" "));
  if (!wanted.split(" ").every((word) => allowed.has(word))) return undefined;
  const union = unionOf(scope, wanted);
  return union === unionOf(scope) ? undefined : union;
}

/** Notes on `record` what an API asked for in vain. Returns true if that has to be sealed, as it is new. */
export function noteDemand(
  record: CredentialRecord,
  settings: CredentialSettings,
  { origin, demand }: { origin: string; demand: SignInDemand },
): boolean {
  if (helpFor(settings, demand) === undefined) return false;
  const { writtenRequest } = settings;
  const before = record.demand?.settings === writtenRequest ? record.demand : undefined;
  const scope = unionOf(before?.scope, demand.scope);
  const isTooLong = (scope?.split(" ").length ?? 0) > MAX_WORDS;
  const next: Demand = {
    origin,
    ...omitUndefined({
      scope: isTooLong ? (before?.scope ?? demand.scope) : scope,
      acrValues: demand.acrValues ?? before?.acrValues,
      maxAge: demand.maxAge ?? before?.maxAge,
    }),
    settings: writtenRequest,
  };
  // Two origins that ask for the same by turns cost no write each time.
  const isKnown = before && JSON.stringify({ ...before, origin }) === JSON.stringify(next);
  if (!isKnown) record.demand = next;
  return !isKnown;
}

/** Lists what an API asks for, and the command that brings it. */
export function demandTroubles(
  settings: CredentialSettings,
  record: Pick<CredentialRecord, "demand"> | undefined,
): Trouble[] {
  const { demand } = record ?? {};
  if (!demand || demand.settings !== settings.writtenRequest) return [];
  const help = helpFor(settings, demand);
  if (help === undefined) return [];
  const { scope, acrValues, maxAge, origin } = demand;
  const isSignIn = acrValues !== undefined || maxAge !== undefined;
  const parts = [
    scope !== undefined && `a token with the scope "${scope}"`,
    acrValues !== undefined && `a sign-in of the kind "${acrValues}"`,
    maxAge !== undefined && `a sign-in of the last ${maxAge} s`,
  ].filter((part) => part !== false);
  const reason = isSignIn ? "insufficient_user_authentication" : "insufficient_scope";
  return [{ reason, message: `${settings.name}: ${origin} wants ${parts.join(" and ")}`, help }];
}

/** Names the command that brings what an API asks for; undefined: none does. */
function helpFor({ name, grant, own }: CredentialSettings, demand: SignInDemand) {
  const { scope, acrValues, maxAge } = demand;
  const { signsIn, stepsUp } = grantNamed(grant);
  if (signsIn) {
    const options = [
      ...(scope === undefined ? [] : ["--scope", scope]),
      ...(acrValues === undefined ? [] : ["--acr-values", acrValues]),
      ...(maxAge === undefined ? [] : ["--max-age", String(maxAge)]),
    ];
    return ["authd", "login", name, ...options].map(shellWord).join(" ");
  }
  if (!stepsUp || scope === undefined) return undefined;
  const { step_up_scope } = own as StepUpSettings;
  const setting = `step_up_scope=${unionOf(step_up_scope, scope)}`;
  return `authd set ${name} --set ${shellWord(setting)}, if it may have that`;
}
