/** Sends a form as the client to an endpoint beside the token endpoint (RFC 9126, RFC 8628, RFC 7009). */
import { buildRequest } from "../build-request.ts";
import { isTimed, proveClient } from "../client-auth.ts";
import type { IssuerResponse } from "../grant.ts";
import { type AnswerContext, toRefusalError, unusableAnswer } from "../refusal.ts";
import { timeOfRefusal } from "../time-of-refusal.ts";
import type { LoginContext } from "./settings.ts";

export interface ClientRequest {
  url: string;
  /** The key of the credential file that holds the address, for messages. */
  urlKey: string;
  form: URLSearchParams;
}

/** Rejects with the issuer's refusal as an AuthdError. */
export async function postAsClient(
  context: LoginContext,
  { url, urlKey, form }: ClientRequest,
): Promise<IssuerResponse> {
  const sendAt = async (now: number) => {
    const proof = await buildRequest(context, () => proveClient({ ...context, now }));
    const sent = new URLSearchParams(form);
    for (const [name, value] of Object.entries(proof.form ?? {})) sent.set(name, value);
    const headers = {
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
      ...proof.headers,
    };
    const body = sent.toString();
    return await context.send({ ...{ method: "POST", url, headers, urlKey }, body });
  };
  const first = await sendAt(context.now);
  // A JWT that is refused where the clocks are apart is signed again by the issuer's.
  const issuerNow = isTimed(context.settings) ? timeOfRefusal(first, context.now) : undefined;
  const response = issuerNow === undefined ? first : await sendAt(issuerNow);
  if (response.status >= 200 && response.status <= 299) return response;
  throw toRefusalError(response, answerContext(context, urlKey));
}

/** Returns the error for an answer that lacks what it should have. */
export function incomplete(
  response: IssuerResponse,
  context: LoginContext,
  urlKey: string,
  what: string,
) {
  return unusableAnswer(response, answerContext(context, urlKey), what);
}

function answerContext(context: LoginContext, urlKey: string): AnswerContext {
  const { credential, rejectedOn, now, secrets, held } = context;
  return { credential, rejectedOn, now, secrets, held, urlKey };
}
