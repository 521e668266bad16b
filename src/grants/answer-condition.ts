/** A condition of `renew_on` and `rejected_on`: which responses mean an expired token, or a refused secret. */
import { HEADER_NAME } from "../base/header-names.ts";
import * as z from "../base/zod.ts";
import type { IssuerResponse } from "./grant.ts";
import { type Answer, placeSchema, readAnswer, valueAt } from "./place.ts";

const bodyPlace = placeSchema.check(
  z.refine(
    (place) => !/^(header|cookie):/i.test(place),
    "is a place outside the body: write header = { NAME = … }",
  ),
);

export const answerConditionSchema = z
  .strictObject({
    status: z.described(
      z.optional(z.int().check(z.minimum(200), z.maximum(599))),
      "The HTTP status.",
    ),
    body: z.described(
      z.optional(z.record(bodyPlace, z.union([z.string(), z.number(), z.boolean()]))),
      "JSON pointers into the body (or text, the whole of it), and the value at each.",
    ),
    header: z.described(
      z.optional(
        z.record(
          z.string().check(z.regex(HEADER_NAME, "is not a header name"), z.toLowerCase()),
          z.string(),
        ),
      ),
      "Headers, and the value of each; upper and lower case are alike.",
    ),
  })
  .check(
    z.refine(
      ({ status = 200, body = {}, header = {} }) =>
        status >= 300 || Object.keys(body).length + Object.keys(header).length > 0,
      "needs a status of 300 or more, a body or a header: it would hold for every good answer",
    ),
  );

/** All members must hold. */
export type AnswerCondition = z.output<typeof answerConditionSchema>;

/** The status line and headers of a response. */
interface AnswerHead {
  readonly status: number;
  /** Names in lower case; a repeated header is an array. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Returns the first condition that holds for a whole response; undefined if none does. */
export function findCondition(
  conditions: readonly AnswerCondition[],
  response: IssuerResponse,
): AnswerCondition | undefined {
  const possible = conditions.filter((condition) => headHolds(condition, response));
  if (possible.length === 0) return undefined;
  const answer = readAnswer(response);
  return possible.find((condition) => bodyHolds(condition, answer));
}

/** True if the status and the headers of a condition hold. */
export function headHolds({ status, header = {} }: AnswerCondition, head: AnswerHead): boolean {
  if (status !== undefined && status !== head.status) return false;
  return Object.entries(header).every(([name, wanted]) =>
    [head.headers[name] ?? []].flat().some((value) => folded(value) === folded(wanted)),
  );
}

/** True if the body of one of the conditions holds for this text. */
export function bodyTextHolds(conditions: readonly AnswerCondition[], text: string): boolean {
  const answer = readAnswer({ status: 200, headers: {}, text });
  return conditions.some((condition) => bodyHolds(condition, answer));
}

/** True if the values of a condition are in the body; numbers and booleans may be strings there. */
function bodyHolds({ body = {} }: AnswerCondition, answer: Answer): boolean {
  return Object.entries(body).every(([place, wanted]) => {
    const value = valueAt(place, answer);
    return ["string", "number", "boolean"].includes(typeof value) && plain(value) === plain(wanted);
  });
}

const folded = (text: string) => text.trim().toLowerCase();
const plain = (value: unknown) => String(value).trim();
