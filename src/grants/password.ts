import { AuthdError } from "../errors.ts";
import * as z from "../zod.ts";
import type { AcquireContext, Grant } from "./grant.ts";
import { issuerDate } from "./issued-token.ts";
import { required } from "./prepare.ts";
import { clientSecret, requestToken, tokenEndpointShape } from "./token-endpoint.ts";
import { nextCodeIn, totp } from "./totp.ts";

/** Issuers take codes of a minute around (RFC 6238 section 5.2); answers take their time (ms). */
const CLOCKS_APART = 60_000;

const schema = z.strictObject({
  ...tokenEndpointShape,
  username: z.string().min(1).describe("The user's name at the issuer."),
  otp_field: z
    .string()
    .min(1)
    .default("otp")
    .describe("The form field for the one-time code, where there is an otp_secret."),
  send_grant_type: z
    .boolean()
    .default(true)
    .describe(
      "Whether the form says grant_type=password; some sign-ins that are not OAuth refuse it.",
    ),
});

/** A user's name and password (RFC 6749 section 4.3), with a one-time code where the issuer wants one. */
export const password: Grant<z.output<typeof schema>> = {
  schema,
  secrets: (settings) => [
    { name: "password", optional: false, label: "Password" },
    {
      name: "otp_secret",
      optional: true,
      label: "Two-factor secret",
      hint: "base32 or otpauth:// URI, shown when two-factor sign-in was set up",
    },
    ...clientSecret(settings, true),
  ],
  issuerUrl: (settings) => settings.token_url,
  variants: () => true,
  acquire: (context) => {
    let theirs: number | undefined;
    const send: typeof context.send = async (request) => {
      const response = await context.send(request);
      theirs = issuerDate(response.headers);
      return response;
    };
    return requestToken({ ...context, send }, () => {
      const { settings, secrets, now } = context;
      return {
        ...(settings.send_grant_type && { grant_type: "password" }),
        username: settings.username,
        password: required(secrets, "password"),
        ...(secrets.otp_secret && { [settings.otp_field]: totp(secrets.otp_secret, now) }),
      };
    }).catch((error) => {
      if (wasCodeUsed(context, error)) throw codeWasUsed(context, error);
      throw areClocksApart(context, error, theirs) ? clocksApart(context, theirs, error) : error;
    });
  },
};

/** Issuers take a code once: one refused soon after a sign-in says nothing against the password. */
function wasCodeUsed(
  { secrets, now, lastAt }: AcquireContext<unknown>,
  error: unknown,
): error is AuthdError {
  const { otp_secret } = secrets;
  return (
    error instanceof AuthdError &&
    error.reason === "credential_rejected" &&
    otp_secret !== undefined &&
    lastAt !== undefined &&
    totp(otp_secret, lastAt) === totp(otp_secret, now)
  );
}

/** A code is made from the time: one of another time says nothing against the password. */
function areClocksApart(
  { secrets, now }: AcquireContext<unknown>,
  error: unknown,
  theirs: number | undefined,
): error is AuthdError {
  return (
    error instanceof AuthdError &&
    error.reason === "credential_rejected" &&
    secrets.otp_secret !== undefined &&
    theirs !== undefined &&
    Math.abs(theirs - now) > CLOCKS_APART
  );
}

/** Tried again seldom: a sign-in that is refused may count towards a lock-out. */
function clocksApart(
  { credential, now }: AcquireContext<unknown>,
  theirs = now,
  { contact = { sent: true, answered: true } }: AuthdError,
): AuthdError {
  const seconds = Math.round(Math.abs(theirs - now) / 1_000);
  const side = theirs > now ? "behind" : "ahead of";
  return new AuthdError(
    "issuer_unavailable",
    `${credential}: the issuer refused a one-time code, and this machine's clock is ${seconds} s ${side} the issuer's: such codes only fit if the clocks agree. Set the clock, then run: authd refresh ${credential}`,
    { credential, contact: { ...contact, blocked: true } },
  );
}

function codeWasUsed(
  { credential, secrets, now }: AcquireContext<unknown>,
  { contact }: AuthdError,
): AuthdError {
  return new AuthdError(
    "issuer_unavailable",
    `${credential}: the issuer refused a one-time code that was used for the last sign-in; authd goes on with the next code.`,
    {
      credential,
      retryAfterMs: nextCodeIn(secrets.otp_secret ?? "", now),
      ...(contact && { contact }),
    },
  );
}
