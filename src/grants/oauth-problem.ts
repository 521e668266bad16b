/** OAuth errors in an issuer's answer, in words that are safe to show: never a secret, a token or a control character. */
import { Buffer } from "node:buffer";
import type { OAuthProblem } from "../protocol.ts";
import type { IssuerResponse } from "./grant.ts";

const MAX_DESCRIPTION = 200;
type Secrets = Readonly<Record<string, string>>;

/** Whether the answer is an OAuth error: in JSON, or form-encoded as some old issuers write it. */
export function oauthProblem(
  { status, text }: IssuerResponse,
  secrets: Secrets,
): OAuthProblem | undefined {
  const members = readMembers(text);
  const error = members?.error;
  // The RFC allows almost any character; every real code is a word, so nothing else can hide in it.
  if (typeof error !== "string" || !/^[\w.-]{1,64}$/.test(error)) return undefined;
  if (reveals(error, secrets)) return undefined;
  const description = showable(members?.error_description, secrets);
  return { error, ...(description !== undefined && { error_description: description }), status };
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
function showable(text: unknown, secrets: Secrets): string | undefined {
  if (typeof text !== "string") return undefined;
  const clean = text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/ {2,}/g, " ")
    .trim();
  // Anything of a JWT's look, and long runs that could be another token, stay out.
  const tokenLike = /eyJ[\w-]{8,}\.|[\w+/=.~-]{48,}/.test(clean);
  if (clean === "" || tokenLike || reveals(text, secrets)) return undefined;
  const letters = Array.from(clean);
  return letters.length > MAX_DESCRIPTION
    ? `${letters.slice(0, MAX_DESCRIPTION - 1).join("")}…`
    : clean;
}

/** Whether a secret shows through, also if it was encoded or invisible characters were put in between. */
function reveals(text: string, secrets: Secrets): boolean {
  const shown = compact(text);
  return Object.values(secrets)
    .flatMap((secret) => {
      const bytes = Buffer.from(secret);
      const escaped = JSON.stringify(secret).slice(1, -1);
      return [secret, bytes.toString("latin1"), escaped, bytes.toString("base64")];
    })
    .map(compact)
    .some((form) => form !== "" && shown.includes(form));
}

/** Without what may stand for a space, or for nothing; percent-encoded bytes (RFC 3986, forms) as Latin-1. */
function compact(text: string): string {
  return text
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/[\s\p{C}+]/gu, "");
}
