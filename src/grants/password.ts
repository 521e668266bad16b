import { AuthdError } from "../errors.ts";
import * as z from "../zod.ts";
import type { AcquireContext, Grant } from "./grant.ts";
import { required } from "./prepare.ts";
import { clientSecret, requestToken, tokenEndpointShape } from "./token-endpoint.ts";
import { nextCodeIn, totp } from "./totp.ts";

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
  acquire: (context) =>
    requestToken(context, () => {
      const { settings, secrets, now } = context;
      return {
        ...(settings.send_grant_type && { grant_type: "password" }),
        username: settings.username,
        password: required(secrets, "password"),
        ...(secrets.otp_secret && { [settings.otp_field]: totp(secrets.otp_secret, now) }),
      };
    }).catch((error) => {
      throw wasCodeUsed(context, error) ? codeWasUsed(context, error) : error;
    }),
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
