import { omitUndefined } from "../base/omit-undefined.ts";
import { timeStepOf, totp } from "../base/totp.ts";
import * as z from "../base/zod.ts";
import { AuthdError, type IssuerContact } from "../errors.ts";
import { required } from "./build-request.ts";
import { whyUnfitKey } from "./client-assertion.ts";
import { clientSecret } from "./client-auth.ts";
import type { AcquireContext, Grant, IssuerResponse } from "./grant.ts";
import { timeStepOrNone } from "./one-time-code.ts";
import { isRefusal } from "./refusal.ts";
import {
  addressOf,
  consistent,
  issuerOr,
  renewalShape,
  renewWithRefreshToken,
  requestCode,
  requestToken,
  stepUpShape,
  type TokenEndpointSettings,
  tokenEndpointShape,
} from "./token-endpoint.ts";

/** Issuers accept codes of a minute around (RFC 6238 section 5.2), and responses take time. */
const MAX_CLOCK_OFFSET_MS = 60_000;
/** Contact of a refused one-time code, which does not count as a refused secret (`refusal`). */
const ANSWERED: IssuerContact = { sent: true, answered: true };

const schema = consistent(
  z.strictObject({
    ...tokenEndpointShape,
    ...stepUpShape,
    ...renewalShape,
    username: z.described(z.nonEmpty, "The user's name at the issuer."),
    otp_field: z.described(
      z._default(z.nonEmpty, "otp"),
      "The form field for the one-time code, where there is an otp_secret.",
    ),
    send_grant_type: z.described(
      z._default(z.boolean(), true),
      "Whether the form says grant_type=password; some sign-ins that are not OAuth refuse it.",
    ),
  }),
).check(
  z.refine(...issuerOr("token_url")),
  z.refine(
    ({ refresh_url, refresh_extra }) => refresh_url !== undefined || refresh_extra === undefined,
    {
      path: ["refresh_extra"],
      error: "has no use without refresh_url: the password is sent each time",
    },
  ),
);

/** Signs in with a user's name and password (RFC 6749 section 4.3), and a one-time code where the issuer wants one. */
export const password: Grant<z.output<typeof schema>> = {
  summary: "a user name and password, and one-time codes",
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
  whyUnfitSecret: (name, value) =>
    name === "otp_secret" ? whyNoTotpSecret(value) : whyUnfitKey(name, value),
  issuerUrl: addressOf,
  acceptsTarget: () => true,
  stepsUp: true,
  rotates: ({ refresh_url }) => (refresh_url === undefined ? undefined : "refresh_token"),
  obtainsRotating: ({ refresh_url }) => refresh_url !== undefined,
  timeStep: (settings, secrets, at) => {
    if (isRenewal(settings, secrets)) return undefined;
    const { otp_secret } = secrets;
    return otp_secret ? timeStepOrNone(otp_secret, at) : requestCode(settings, secrets, at);
  },
  acquire: async (context) => {
    if (isRenewal(context.settings, context.secrets)) return await renewWithRefreshToken(context);
    let answer: IssuerResponse | undefined;
    const send: typeof context.send = async (request) => {
      answer = await context.send(request);
      return answer;
    };
    const signIn = requestToken(
      { ...context, send },
      () => {
        const { settings, secrets, now, codeAt = now } = context;
        return {
          ...(settings.send_grant_type && { grant_type: "password" }),
          username: settings.username,
          password: required(secrets, "password"),
          ...(secrets.otp_secret && { [settings.otp_field]: totp(secrets.otp_secret, codeAt) }),
        };
      },
      {
        once: context.secrets.otp_secret !== undefined,
        refreshing: context.settings.refresh_url !== undefined,
      },
    );
    return await signIn.catch((error) => {
      throw answer && context.secrets.otp_secret ? explainByCode(context, error, answer) : error;
    });
  },
};

/** True if the refresh token of an earlier sign-in is sent instead of the password. */
function isRenewal(
  { refresh_url }: TokenEndpointSettings,
  { refresh_token }: Readonly<Record<string, string>>,
): boolean {
  return refresh_url !== undefined && refresh_token !== undefined;
}

function whyNoTotpSecret(value: string): string | undefined {
  try {
    timeStepOf(value, 0);
    return undefined;
  } catch {
    return "is neither a base32 key nor an otpauth:// URI";
  }
}

type CodeContext = Pick<AcquireContext<unknown>, "credential" | "secrets" | "now" | "codeAt">;

/** Returns the error of a refused sign-in, explained by the one-time code that it carried where that is the cause. */
function explainByCode(context: CodeContext, error: unknown, answer: IssuerResponse): unknown {
  if (!isRefusal(error)) return error;
  if (USED_CODE.test(answer.text)) return codeWasUsed(context);
  const issuerNow = answer.sentAt?.assumed ?? context.now;
  if (Math.abs(issuerNow - context.now) > MAX_CLOCK_OFFSET_MS)
    return clocksApart(context, issuerNow);
  const isFinal = error.reason === "credential_rejected";
  return isFinal && CODE.test(answer.text) ? codeIsRefused(context, error) : error;
}

/** Matches text about a one-time code: issuers have no error name for it (RFC 6749 section 5.2). */
const CODE =
  /\b(otp|totp|2fa|mfa|two[-_ ]?factor|one[-_ ]?time|verification[-_ ]code|authenticator)/i;
const USED_CODE =
  /\b(otp|totp|code|passcode)\b[^.{}]{0,60}\b(already (been )?used|used already|been used|re-?used|replay)/i;

/** Returns an error that is retried seldom: a refused sign-in may count towards a lock-out. */
function clocksApart({ credential, now }: CodeContext, issuerNow: number): AuthdError {
  const seconds = Math.round(Math.abs(issuerNow - now) / 1_000);
  const side = issuerNow > now ? "behind" : "ahead of";
  return new AuthdError(
    "issuer_unavailable",
    `${credential}: the issuer refused a one-time code, and this machine's clock is ${seconds} s ${side} the issuer's: such codes only fit if the clocks agree. Set the clock, then run: authd refresh ${credential}`,
    { credential, contact: { ...ANSWERED, blocked: true } },
  );
}

/** Returns the error of a code that another program or person sent: authd itself sends no code twice. */
function codeWasUsed({ credential, secrets, now, codeAt = now }: CodeContext): AuthdError {
  const { step, periodMs } = timeStepOf(secrets.otp_secret ?? "", codeAt);
  return new AuthdError(
    "issuer_unavailable",
    `${credential}: the issuer says that the one-time code was used before, by somebody else with the same otp_secret; authd goes on with the next code.`,
    { credential, retryAfterMs: Math.max(0, (step + 1) * periodMs - now), contact: ANSWERED },
  );
}

/** Returns the error of a code that was sent for the first time: it is wrong, not used. */
function codeIsRefused(
  { credential }: CodeContext,
  { contact = ANSWERED, oauth }: AuthdError,
): AuthdError {
  return new AuthdError(
    "credential_rejected",
    `${credential}: the issuer refused the one-time code, which authd had not sent before. Check that this machine's clock is right and that otp_secret is this account's, then run: authd set ${credential}`,
    omitUndefined({ credential, contact, oauth }),
  );
}
