/** OAuth errors in an issuer's answer, in words that are safe to show: never a secret, a token or a control character. */
import type { OAuthProblem } from "../protocol.ts";
import type { IssuerResponse } from "./grant.ts";
import { reveals, tokensIn } from "./redaction.ts";

const MAX_DESCRIPTION = 200;

/** What an issuer must not be quoted with, beside the tokens in its own answer. */
export interface Concealed {
  /** What the request was made from. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Tokens that were issued before. */
  readonly held?: readonly string[];
}

/** Whether the answer is an OAuth error: in JSON, or form-encoded as some old issuers write it. */
export function oauthProblem(
  response: IssuerResponse,
  concealed: Concealed,
): OAuthProblem | undefined {
  const { status, text } = response;
  const members = readMembers(text);
  const error = members?.error;
  // The RFC allows almost any character; every real code is a word, so nothing else can hide in it.
  if (typeof error !== "string" || !/^[\w.-]{1,64}$/.test(error)) return undefined;
  const hidden = hiddenIn(response, concealed);
  if (reveals(error, hidden)) return undefined;
  const description = showable(members?.error_description, hidden);
  return { error, ...(description !== undefined && { error_description: description }), status };
}

/** What must not be shown of this answer. */
export function hiddenIn(response: IssuerResponse, { secrets, held = [] }: Concealed): string[] {
  return [...Object.values(secrets), ...held, ...tokensIn(response)];
}

/** The members of a JSON object or a form; undefined if the text is neither. Own keys only are safe to read. */
export function readMembers(text: string): Record<string, unknown> | undefined {
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) {
    try {
      return Object.assign(Object.create(null), JSON.parse(trimmed)) as Record<string, unknown>;
    } catch {
      return undefined;
    }
  }
  if (!/^(access_token|error|[\w.-]+=[^&]*&(.*&)?(access_token|error))=/.test(trimmed))
    return undefined;
  return Object.assign(Object.create(null), Object.fromEntries(new URLSearchParams(trimmed)));
}

/** An issuer's words, fit for a terminal and a log; undefined if they repeat a secret or a token. */
export function showable(text: unknown, hidden: readonly string[]): string | undefined {
  if (typeof text !== "string") return undefined;
  const clean = text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/ {2,}/g, " ")
    .trim();
  // Anything of a JWT's look, and long runs that could be another token, stay out.
  const tokenLike = /eyJ[\w-]{8,}\.|[\w+/=.~-]{48,}/.test(clean);
  if (clean === "" || tokenLike || reveals(text, hidden)) return undefined;
  const letters = Array.from(clean);
  return letters.length > MAX_DESCRIPTION
    ? `${letters.slice(0, MAX_DESCRIPTION - 1).join("")}…`
    : clean;
}
