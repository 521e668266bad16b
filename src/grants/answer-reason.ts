/** Finds what a response says about why it is no success, in words that may be shown. */
import type { OAuthProblem } from "../protocol.ts";
import type { IssuerResponse } from "./grant.ts";
import { jsonErrorText } from "./json-error.ts";
import { type Concealed, hiddenIn, oauthProblem } from "./oauth-problem.ts";
import { showable } from "./showable.ts";

/** A response of an issuer or an API that may tell of an error. */
export type ErrorResponse = Pick<IssuerResponse, "status" | "headers" | "text">;

/** Returns what the body says: an OAuth error, an error in JSON, or a page's title; undefined: nothing that may be shown. */
export function reasonIn(answer: ErrorResponse, concealed: Concealed): string | undefined {
  const oauth = oauthProblem(answer, concealed);
  if (oauth) return describeOAuthProblem(oauth);
  const text = jsonErrorText(answer, concealed) || pageTitle(answer, concealed);
  return text ? `"${text}"` : undefined;
}

export function describeOAuthProblem({ error, error_description }: OAuthProblem): string {
  return error_description === undefined ? error : `${error} ("${error_description}")`;
}

/** True for HTML, by its type or its beginning. */
export function isPage({ headers, text }: Pick<ErrorResponse, "headers" | "text">): boolean {
  return (
    /^\s*text\/html/i.test(headers["content-type"] ?? "") ||
    /^\s*<(!doctype|html|head|body|\?xml)/i.test(text)
  );
}

/** Returns what to say of a page in place of a token. */
export function describePage(answer: ErrorResponse, concealed: Concealed): string {
  const title = pageTitle(answer, concealed);
  return `a page for people${title ? ` ("${title}")` : ""} instead of a token (HTTP ${answer.status})`;
}

function pageTitle(answer: ErrorResponse, concealed: Concealed): string | undefined {
  if (!isPage(answer)) return undefined;
  // A page is read no further than titles are.
  const title = /<title\b[^>]{0,200}>([^<]{1,2000})<\/title/i.exec(
    answer.text.slice(0, 65_536),
  )?.[1];
  return showable(title && withoutEntities(title), hiddenIn(answer, concealed));
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  "#39": "'",
};

function withoutEntities(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos|nbsp|#39);/g, (_, name: string) => ENTITIES[name]!);
}
