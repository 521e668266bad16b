/** Tries one credential with a real request, or without one to make with a fresh token. */
import type { Credential } from "../credential/credential.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import type { Http } from "../http/http.ts";
import type { TestResult } from "../protocol.ts";
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
  const params = { credential: name, method: verify.method, url: verify.url };
  const response = await authorizedRequest(credential, http, params, { signal, admit }).catch(
    async (error) => {
      if (isUnknownHost(error)) await credential.noteTest({ message: error.message });
      throw error;
    },
  );
  const { status, statusText } = response;
  const { host } = new URL(verify.url);
  const detail = `${name}: ${host} answered ${status}${statusText ? ` ${statusText}` : ""}`;
  const ok = status < 400;
  if (ok) await credential.noteTest(undefined);
  else if (isLasting(status)) await credential.noteTest({ status, message: detail });
  return { ok, verified: true, status, detail };
}

function isUnknownHost(error: unknown): error is AuthdError {
  return error instanceof AuthdError && error.contact?.unknownHost === true;
}

/** False for answers that say "not now". */
function isLasting(status: number): boolean {
  return status < 500 && status !== 408 && status !== 425 && status !== 429;
}
