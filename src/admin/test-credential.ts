/** Tries one credential with a real request, or without one to make with a fresh token. */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Credential } from "../credential/credential.ts";
import { derivedIn } from "../credential/issued-token.ts";
import { secretsIn } from "../credential/kept-values.ts";
import { AuthdError } from "../errors.ts";
import { findCondition } from "../grants/answer-condition.ts";
import { type ErrorResponse, reasonIn } from "../grants/answer-reason.ts";
import { endpointOf } from "../grants/endpoint.ts";
import { grantNamed } from "../grants/index.ts";
import { type Http, REDIRECT_STATUSES } from "../http/http.ts";
import type { AuthorizedResponse, TestResult } from "../protocol.ts";
import { fillKept, hasKept } from "../request/kept-url.ts";
import { authorizedRequest, type RequestOptions } from "../request/request.ts";

/** Bounds a test; `admit` and `admitRefresh` throw or reject if the caller may not make it. */
export interface TestOptions extends Required<Pick<RequestOptions, "signal" | "admit">> {
  admitRefresh: () => Promise<void>;
  /** Limit (ms) of the token request. */
  timeoutMs: number;
}

/** Notes a refusal as a trouble of the credential, and forgets it when the test works. */
export async function testCredential(
  credential: Credential,
  http: Http,
  options: TestOptions,
): Promise<TestResult> {
  const { name, settings } = credential;
  const { verify } = settings;
  if (!verify) {
    await options.admitRefresh();
    await credential.refresh(options.timeoutMs, options.signal);
    const got = grantNamed(settings.grant).issuerUrl(settings.own, settings.fields)
      ? "got a fresh token; "
      : "";
    const detail = `${name}: ${got}the API itself is untested, as there is no \`verify\` request`;
    return { ok: true, verified: false, detail };
  }
  const { signal, admit } = options;
  const url = await verifyUrl(credential, verify.url, options);
  const params = { credential: name, method: verify.method, url };
  const response = await authorizedRequest(credential, http, params, { signal, admit }).catch(
    async (error) => {
      if (isUnknownHost(error)) await credential.noteTest({ message: error.message });
      throw error;
    },
  );
  const { status, statusText } = response;
  const isExpired = findCondition(settings.renewOn ?? [], asAnswer(response)) !== undefined;
  const ok = status < 400 && !isExpired;
  const hidden = knownSecrets(credential);
  const why = ok ? undefined : reasonIn(asAnswer(response), hidden);
  const endpoint = endpointOf(url, [...Object.values(hidden.secrets), ...hidden.held]);
  const words =
    (why === undefined ? "" : `: ${why}`) +
    (isExpired ? ", which renew_on takes for a refused token" : "") +
    (isNowhere(status) ? "; check verify.url" : "");
  const detail = `${name}: ${endpoint} answered ${status}${statusText ? ` ${statusText}` : ""}${words}`;
  if (ok) await credential.noteTest(undefined);
  else if (isExpired) await credential.noteTest({ status: 401, message: detail });
  else if (isLasting(status)) await credential.noteTest({ status, message: detail });
  return { ok, verified: true, status, detail };
}

/** Returns everything that an API could repeat in its answer, and no message may show. */
function knownSecrets(credential: Credential) {
  const { secrets, tokens } = credential.snapshot();
  const { settings } = credential;
  const held = tokens.flatMap(({ accessToken, kept }) => [
    accessToken,
    ...secretsIn(settings, kept),
    ...derivedIn({ settings, secrets }, omitUndefined({ accessToken, kept })),
  ]);
  return { secrets, held };
}

function asAnswer({ status, headers, body = "" }: AuthorizedResponse): ErrorResponse {
  const joined = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]);
  return { status, headers: Object.fromEntries(joined), text: body };
}

/** Returns the URL to test; for one with kept values in it, a token is obtained first. */
async function verifyUrl(
  credential: Credential,
  url: string,
  { admitRefresh, timeoutMs, signal }: TestOptions,
): Promise<string> {
  if (!hasKept(url)) return url;
  await admitRefresh();
  return fillKept(url, credential.settings, await credential.token({ timeoutMs, signal }));
}

function isUnknownHost(error: unknown): error is AuthdError {
  return error instanceof AuthdError && error.contact?.unknownHost === true;
}

/** True for answers of an address where there is no such thing, or another method is wanted. */
function isNowhere(status: number): boolean {
  return status === 404 || status === 405 || REDIRECT_STATUSES.has(status);
}

/** False for answers that say "not now". */
function isLasting(status: number): boolean {
  return status < 500 && status !== 408 && status !== 425 && status !== 429;
}
