import type { ExecutionContext } from "ava";
import type { CredentialSettings } from "../../src/config/settings.ts";
import { AuthdError } from "../../src/errors.ts";
import { createHttp, type Http } from "../../src/http/http.ts";
import type { GetTokenResult, ParamsOf, Reason } from "../../src/protocol.ts";
import {
  authorizedRequest,
  type Issued,
  type RequestCredential,
  type RequestOptions,
} from "../../src/request/request.ts";
import { type Handler, startApi } from "./api.ts";
import { staticSettings } from "./static-settings.ts";

export type Params = Omit<ParamsOf<"authorizedRequest">, "credential">;

/** A credential whose renewals are counted: `renew` says what a 401 brings. */
export class Owner implements RequestCredential {
  readonly name = "mine";
  readonly settings: CredentialSettings;
  readonly log: string[] = [];
  headers: Record<string, string> = { "x-api-key": "key" };
  /** What goes into the query and the body of a request, made of the token. */
  sent: (token: string) => Pick<GetTokenResult, "query" | "body"> = () => ({});
  renew: () => Promise<string | undefined> = async () => undefined;
  current = "first";

  constructor(origins: string[], more: Partial<CredentialSettings> = {}) {
    this.settings = staticSettings(this.name, origins, {
      headers: { "x-api-key": "key" },
      ...more,
    });
  }

  token(): Issued {
    const authorization = `Bearer ${this.current}`;
    const headers = { authorization, ...this.headers };
    const token = { accessToken: this.current, tokenType: "Bearer", expiresAt: null };
    const answer = { ...token, headers, ...this.sent(this.current) };
    return { accessToken: this.current, answer };
  }

  recordAccepted(origin: string, { accessToken }: Issued): void {
    this.log.push(`${accessToken} accepted by ${new URL(origin).hostname}`);
  }

  async refreshAfter401(origin: string, { accessToken }: Issued, challenge: string | undefined) {
    this.log.push(`${accessToken} refused by ${new URL(origin).hostname}: ${challenge}`);
    const renewed = await this.renew();
    if (renewed === undefined) return undefined;
    this.current = renewed;
    return this.token();
  }

  async stepUp(): Promise<Issued | undefined> {
    return undefined;
  }
}

/** Starts an API and returns a function that sends it requests with an Owner's token. */
export async function startRequests(
  t: ExecutionContext,
  handler: Handler,
  settings: Partial<CredentialSettings> = {},
) {
  const api = await startApi(t, handler);
  const { http, close } = startHttp();
  t.teardown(close);
  const owner = new Owner([api.origin], settings);
  const send = (params: Partial<Params> = {}, options: Partial<RequestOptions> = {}) =>
    authorizedRequest(
      owner,
      http,
      { credential: "mine", url: `${api.origin}/`, ...params },
      { signal: new AbortController().signal, ...options },
    );
  return { api, http, owner, send };
}

function startHttp(): { http: Http; close: () => Promise<void> } {
  const http = createHttp();
  return { http, close: () => http.close() };
}

/** Asserts that the request fails for `reason` with a message about the credential. Returns the error. */
export async function requestRefused(
  t: ExecutionContext,
  promise: Promise<unknown>,
  reason: Reason,
) {
  const error = (await t.throwsAsync(promise, { instanceOf: AuthdError }))!;
  t.is(error.reason, reason, error.message);
  t.is(error.credential, "mine");
  t.true(error.message.startsWith("mine: "), error.message);
  return error;
}
