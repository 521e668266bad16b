import { noEncoding, percent, render, type TemplateValues } from "../base/template.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import type { Http } from "../http/http.ts";
import { createIssuerSend } from "../http/issuer.ts";

/**
 * Makes the account that the credential is for. Rejects with an AuthdError that carries `contact`:
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
    allowInsecureHttp: settings.allowInsecureHttp,
    ...(settings.ca === undefined ? {} : { ca: settings.ca }),
  });
  const { status } = await send({
    method: "POST",
    url: render(request.url, values, percent),
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  if (status >= 200 && status < 300) return;
  // A timeout of the server's own, an error in it, or something between: the account may be there.
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
