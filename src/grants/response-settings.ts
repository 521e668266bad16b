/** The table `[response]` of a credential file: where in an issuer's answer the token and further values are. */
import * as z from "../base/zod.ts";
import { placeSchema } from "./place.ts";

/** Values of an answer that one credential keeps. */
const MAX_KEPT = 32;

/** A value of an answer that is kept. */
export interface KeptPlace {
  from: string;
  /** True if it is for templates only, and never handed out or shown. */
  secret: boolean;
}

const keptPlace = z.pipe(
  z.union([
    placeSchema,
    z.strictObject({
      from: z.described(placeSchema, "Where the value is."),
      secret: z.described(
        z._default(z.boolean(), false),
        "Whether it is for templates only: neither handed out nor shown.",
      ),
    }),
  ]),
  z.transform(
    (kept): KeptPlace => (typeof kept === "string" ? { from: kept, secret: false } : kept),
  ),
);

const keep = z
  .record(
    z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, "must be letters, digits, _ and -")),
    keptPlace,
  )
  .check(
    z.refine((kept) => Object.keys(kept).length <= MAX_KEPT, `keeps more than ${MAX_KEPT} values`),
  );

const token = z.described(
  placeSchema,
  "Where the token is: a JSON pointer or the name of a member, text (the whole body), header:NAME, cookie:NAME or form:NAME.",
);

const timePlace = placeSchema.check(
  z.refine((place) => place !== "text", "must not be the whole body"),
);

const shape = {
  expires_in: z.described(
    z.optional(timePlace),
    "Where the lifetime is: a JSON pointer, header:NAME or cookie:NAME. In seconds.",
  ),
  expires_at: z.described(
    z.optional(timePlace),
    "Where the end is: a JSON pointer, header:NAME or cookie:NAME.",
  ),
  token_type: z.described(
    z.optional(z.nonEmpty),
    "The token's type, or a JSON pointer to it. Default: Bearer.",
  ),
  scope: z.described(z.optional(placeSchema), "Where the scope is that was granted."),
  keep: z.described(
    z.optional(keep),
    "Further values to keep, by a name of your own: {kept.NAME} in headers and origins, and in getToken's extra.",
  ),
};

const hasOneEnd = ({ expires_in, expires_at }: { expires_in?: unknown; expires_at?: unknown }) =>
  expires_in === undefined || expires_at === undefined;
const TWO_ENDS = "has both expires_in and expires_at";

/** `[response]` of an exchange, which has no standard answer. */
export const exchangeResponse = z
  .strictObject({ token, ...shape })
  .check(z.refine(hasOneEnd, TWO_ENDS));

/** `[response]` of the grants of RFC 6749: what it leaves out is where the RFC says. */
export const tokenResponse = z
  .strictObject({ token: z.optional(token), ...shape })
  .check(z.refine(hasOneEnd, TWO_ENDS));

/** `[response]` of a grant that sends a refresh token. */
export const refreshResponse = z.described(
  z.optional(
    z
      .strictObject({
        token: z.optional(token),
        ...shape,
        refresh_token: z.described(z.optional(placeSchema), "Where the next refresh token is."),
        refresh_expires_in: z.described(
          z.optional(timePlace),
          "Where the lifetime, or the end, of a refresh token is that is not used.",
        ),
      })
      .check(z.refine(hasOneEnd, TWO_ENDS)),
  ),
  "Where in the answer the tokens are, if not where RFC 6749 says, and what else to keep.",
);

/** Returns the key that says where the lifetime, or the end, is; undefined: neither does. */
export function lifetimeKey(response: { expires_in?: unknown; expires_at?: unknown }) {
  if (response.expires_in !== undefined) return "response.expires_in";
  return response.expires_at === undefined ? undefined : "response.expires_at";
}

export type ExchangeResponse = z.output<typeof exchangeResponse>;
/** Places in an answer; absent: where RFC 6749 says. */
export interface ResponsePlaces
  extends Omit<
    NonNullable<z.output<typeof refreshResponse>>,
    "token" | "refresh_token" | "refresh_expires_in"
  > {
  token?: string | undefined;
  refresh_expires_in?: string | undefined;
  refresh_token?: string | undefined;
}
