/** Reads OAuth errors in an issuer's response as text that is safe to show: never a secret, a token or a control character. */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { OAuthProblem } from "../protocol.ts";
import type { IssuerResponse } from "./grant.ts";
import { parseJson } from "./json.ts";
import { reveals, tokensIn } from "./redaction.ts";
import { showable } from "./showable.ts";

/** Values that must not be quoted from an issuer, beside the tokens in its own response. */
export interface Concealed {
  /** Secrets that the request was built from. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Tokens that were issued before. */
  readonly held?: readonly string[];
}

/** Returns the OAuth error in a response: in JSON, or form-encoded as some old issuers write it; undefined if there is none. */
export function oauthProblem(
  response: Pick<IssuerResponse, "status" | "headers" | "text">,
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
  return { error, ...omitUndefined({ error_description: description }), status };
}

/** Returns the values that must not be shown of this response. */
export function hiddenIn(
  response: Pick<IssuerResponse, "headers" | "text">,
  { secrets, held = [] }: Concealed,
): string[] {
  return [...Object.values(secrets), ...held, ...tokensIn(response)];
}

/** Returns the members of a JSON object or a form, without a prototype; undefined if the text is neither. */
export function readMembers(text: string): Record<string, unknown> | undefined {
  const trimmed = text.trim();
  const json = parseJson(trimmed);
  if (typeof json === "object" && json !== null && !Array.isArray(json))
    return withoutPrototype(json);
  if (!/^(access_token|error|[\w.-]+=[^&]*&(.*&)?(access_token|error))=/.test(trimmed))
    return undefined;
  return withoutPrototype(Object.fromEntries(new URLSearchParams(trimmed)));
}

function withoutPrototype(members: object): Record<string, unknown> {
  return Object.assign(Object.create(null), members);
}
