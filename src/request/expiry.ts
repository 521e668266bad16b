/** Tells which answers of an API mean that the token is not valid any more. */
import { type AnswerCondition, bodyTextHolds, headHolds } from "../grants/answer-condition.ts";
import type { HttpResponse } from "../http/http.ts";
import { peekBody } from "./peek.ts";

const BEARER = /(?:^|,)\s*Bearer\s/i;
const INVALID_TOKEN = /[\s,]error\s*=\s*"?invalid_token\b/i;

/** True for a 401, and for any status with `WWW-Authenticate: Bearer error="invalid_token"`. */
export function refusesToken({ status, headers }: HttpResponse): boolean {
  const challenge = headers["www-authenticate"];
  return status === 401 || (challenge !== undefined && saysInvalidToken(String(challenge)));
}

/** True for RFC 6750 section 3.1; some APIs send it with a 400, 403 or 200. */
function saysInvalidToken(challenges: string): boolean {
  // Two expressions, as one for both would take the square of the text's length.
  const at = challenges.search(BEARER);
  return at >= 0 && INVALID_TOKEN.test(challenges.slice(at));
}

/** A response, whose body is still to be read, and whether it means an expired token. */
export interface Judged {
  response: HttpResponse;
  isExpired: boolean;
}

/** Looks for conditions of `renew_on`. The body is looked at only if it decides (see peek.ts). */
export async function judge(
  response: HttpResponse,
  renewOn: readonly AnswerCondition[],
  { hasBody, leftMs }: { hasBody: boolean; leftMs: number },
): Promise<Judged> {
  const possible = renewOn.filter((condition) => headHolds(condition, response));
  if (possible.some(({ body }) => body === undefined)) return { response, isExpired: true };
  if (possible.length === 0 || !hasBody) return { response, isExpired: false };
  const { response: unread, text } = await peekBody(response, leftMs);
  return { response: unread, isExpired: text !== undefined && bodyTextHolds(possible, text) };
}
