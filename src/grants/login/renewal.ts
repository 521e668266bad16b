/** Renews a sign-in's access token, by the refresh token that it brought. */
import { AuthdError } from "../../errors.ts";
import type { AcquireContext, Acquired } from "../grant.ts";
import { refreshToken } from "../refresh-token.ts";
import { withoutScope } from "./code-exchange.ts";
import type { DeviceSettings } from "./settings.ts";

export async function renew(context: AcquireContext<DeviceSettings>): Promise<Acquired> {
  const { credential, secrets, settings } = context;
  if (!secrets.refresh_token) throw signInEnded(credential);
  return await refreshToken.acquire({ ...context, settings: withoutScope(settings) });
}

function signInEnded(credential: string): AuthdError {
  return new AuthdError(
    "login_required",
    `${credential}: its token has expired, and the issuer gave nothing to renew it with (scope offline_access may be missing). Sign in again: authd login ${credential}`,
    { credential, contact: { sent: false, answered: false } },
  );
}
