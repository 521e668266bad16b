/** Accounts that authd registers itself (`authd add --register`). */
import { omitUndefined } from "../base/omit-undefined.ts";
import { noEncoding, percent, render, type TemplateValues } from "../base/template.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { Credential } from "../credential/credential.ts";
import type { Refused } from "../credential/record.ts";
import { AuthdError } from "../errors.ts";
import type { Http } from "../http/http.ts";
import { createIssuerSend } from "../http/issuer.ts";

/**
 * Registers the account that the credential is for. Rejects with an AuthdError that carries `contact`:
 * without a complete answer the account may exist.
 */
export async function registerAccount(
  settings: CredentialSettings,
  secrets: Readonly<Record<string, string>>,
  http: Http,
): Promise<void> {
  const { name, fields, register: request } = settings;
  if (!request) return;
  const values: TemplateValues = {
    ...fields,
    ...Object.fromEntries(settings.secrets.map((s) => [`secret.${s.name}`, secrets[s.name]])),
  };
  const body = Object.fromEntries(
    Object.entries(request.json).map(([key, template]) => [
      key,
      render(template, values, noEncoding),
    ]),
  );
  const send = createIssuerSend({
    http,
    credential: name,
    hidden: Object.values(secrets),
    allowInsecureHttp: settings.allowInsecureHttp,
    ...omitUndefined({ ca: settings.ca }),
  });
  const { status } = await send({
    method: "POST",
    url: render(request.url, values, percent),
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  if (status >= 200 && status < 300) return;
  // After a timeout or an error of the server, or of a proxy, the account may exist.
  const refused = status >= 400 && status < 500 && status !== 408;
  const why =
    status === 409
      ? "that user name is taken; choose another, or add the credential without --register"
      : refused
        ? `the server refused to make the account (status ${status})`
        : `the server's answer does not tell whether the account was made (status ${status})`;
  throw new AuthdError("request_failed", `${name}: ${why}`, {
    credential: name,
    contact: { sent: true, answered: refused },
  });
}

/** Returns the refusal that is sealed before the request: if that fails midway, authd does not sign in by itself. */
export function registering(settings: CredentialSettings, now: number): Refused {
  const { name, writtenRequest } = settings;
  const message = `${name}: its account was asked for, and no answer came that tells whether it was made. ${nextSteps(name)}`;
  return { reason: "login_required", message, at: now, writtenRequest };
}

/** Returns the refusal if neither the registration nor the sign-in told whether the account exists. */
export function registeredPerhaps(
  settings: CredentialSettings,
  now: number,
  [registration, signIn]: readonly [AuthdError, AuthdError],
): Refused {
  const { name, writtenRequest } = settings;
  const asked = factOf(registration);
  const message = `${name}: asking for its account: ${asked}; then signing in: ${factOf(signIn)}. ${nextSteps(name)}`;
  return { reason: "login_required", message, at: now, writtenRequest };
}

/** Returns the part of an error's message that tells what happened, without the name and the advice. */
function factOf({ message }: AuthdError): string {
  const said = message.replace(/^("[^"]*" got no token( from [^ ]*)?|[^ ]*): /, "");
  const advice = said.search(/[.;] (Check its|Put the|Next try|authd )/);
  return (advice < 0 ? said : said.slice(0, advice)).replace(/\.$/, "");
}

function nextSteps(name: string): string {
  return `authd refresh ${name} tries to sign in; authd add ${name} --register --replace asks for the account again, with the same password`;
}

/** True if the account was not made. With `isAgain` it was asked for before, and may itself have taken the name. */
export function isNotRegistered(error: unknown, isAgain: boolean): boolean {
  if (!(error instanceof AuthdError) || !error.contact) return false;
  const { sent, answered } = error.contact;
  return !sent || (!isAgain && answered && error.reason === "request_failed");
}

/** Returns the password that was generated for this very account, if nobody has signed in with it yet. */
export function generatedPassword(
  known: Credential | undefined,
  settings: CredentialSettings,
): string | undefined {
  if (!known?.isReadable || !settings.register) return undefined;
  const same = [known.trial, known].find(
    (one) =>
      one?.isReadable &&
      one.settings.writtenRequest === settings.writtenRequest &&
      one.record.refreshCount === undefined,
  );
  return same?.record.secrets[settings.register.generates];
}
