/** Sends an exchange's requests one after the other; each can take values out of its answer for those after it. */
import { omitUndefined } from "../base/omit-undefined.ts";
import { missing, namesOf, placeholders, render, type TemplateValues } from "../base/template.ts";
import { AuthdError } from "../errors.ts";
import { buildRequest } from "./build-request.ts";
import { type CookieJar, createCookieJar } from "./cookie-jar.ts";
import { type ExchangeStep, writeRequest } from "./exchange-request.ts";
import type { AcquireContext, IssuerRequest, IssuerResponse } from "./grant.ts";
import { readAnswer, textAt } from "./place.ts";
import {
  type AnswerContext,
  isRejected,
  saysRefused,
  toRefusalError,
  unusableAnswer,
} from "./refusal.ts";

/** Shorter values are not kept out of errors: they would be found in any text. */
const MIN_HIDDEN_LENGTH = 6;

/** A sequence of requests, of which the last brings the token. */
export interface Sequence {
  steps: readonly ExchangeStep[];
  /** Returns the key of the credential file that holds a step's address, for messages. */
  urlKey: (index: number) => string;
  /** Headers of every request, as templates. */
  headers: Readonly<Record<string, string>>;
  /** True if a redirect can be the last answer: the token is in one of its headers. */
  readsRedirects: boolean;
}

/** The last answer of a sequence. */
interface LastAnswer {
  response: IssuerResponse;
  urlKey: string;
  /** Values that were made or taken on the way, which no error may quote. */
  hidden: Record<string, string>;
}

type StepContext = Omit<AnswerContext, "urlKey">;

/**
 * Sends a sequence; `values` are those that its templates may contain. Rejects with the AuthdError of the step that
 * brought no answer, or none with the values that it should have.
 */
export async function sendSteps(
  context: AcquireContext<unknown>,
  { steps, urlKey, headers, readsRedirects }: Sequence,
  values: TemplateValues,
  answers: StepContext,
): Promise<LastAnswer> {
  const jar = steps.length > 1 ? await createCookieJar() : undefined;
  let known = values;
  let hidden: Record<string, string> = {};
  let before: IssuerResponse | undefined;
  for (const [index, step] of steps.entries()) {
    const isLast = index === steps.length - 1;
    const key = urlKey(index);
    const at = { ...answers, secrets: { ...answers.secrets, ...hidden }, urlKey: key };
    const written = await build(context, before && { response: before, at }, () => {
      const made = madeValues(step, known);
      return { made, request: writeRequest(step, { ...known, ...made }, headers) };
    });
    known = { ...known, ...written.made };
    hidden = { ...hidden, ...hiddenOf(written.made), ...derivedOf(step, known) };
    const after = { ...at, secrets: { ...at.secrets, ...hidden } };
    const request = { ...withCookies(written.request, jar), urlKey: key };
    const response = await context
      .send({ ...request, readsRedirects: isLast ? readsRedirects : true })
      .catch((error) => {
        throw index === 0 ? error : asSent(error);
      });
    jar?.store(request.url, response.setCookies ?? []);
    if (isLast) return { response, urlKey: key, hidden };
    before = response;
    const taken = takenValues(response, step, after);
    known = { ...known, ...taken };
    hidden = { ...hidden, ...hiddenOf(taken) };
  }
  throw new Error("a sequence without steps");
}

/** Builds a request. `before`: an earlier answer brought values; one that does not fit is that answer's fault. */
async function build<T>(
  context: AcquireContext<unknown>,
  before: { response: IssuerResponse; at: AnswerContext } | undefined,
  write: () => T,
): Promise<T> {
  if (before === undefined) return await buildRequest(context, write);
  const { response, at } = before;
  try {
    return write();
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    throw unusableAnswer(
      response,
      at,
      `the request of ${at.urlKey} can't be made of what came before: ${error.message}`,
    );
  }
}

/** Returns the step's own values: each may use those above it. One that lacks a value has none. */
function madeValues({ values = {} }: ExchangeStep, known: TemplateValues): TemplateValues {
  const made: Record<string, string | undefined> = {};
  for (const [name, template] of Object.entries(values)) {
    const all = { ...known, ...made };
    made[name] = missing(template, all) === undefined ? render(template, all) : undefined;
  }
  return made;
}

/** Returns the values that the step takes. Throws AuthdError if the answer lacks one, or is a refusal. */
function takenValues(
  response: IssuerResponse,
  { take = {} }: ExchangeStep,
  context: AnswerContext,
): Record<string, string> {
  const { status } = response;
  if (status < 200 || status > 399 || isRejected(response, context)) {
    throw toRefusalError(response, context);
  }
  const answer = readAnswer(response);
  const taken: Record<string, string> = {};
  for (const [name, place] of Object.entries(take)) {
    const value = textAt(place, answer);
    if (value === undefined) {
      if (saysRefused(response, context)) throw toRefusalError(response, context);
      const key = context.urlKey.replace(/url$/, `take.${name}`);
      throw unusableAnswer(
        response,
        context,
        `the issuer's answer (HTTP ${status}) has nothing at ${key} = "${place}".`,
      );
    }
    taken[name] = value;
  }
  return taken;
}

/** Adds the jar's cookies to those that the request has of its own. */
function withCookies(request: IssuerRequest, jar: CookieJar | undefined): IssuerRequest {
  const cookies = jar?.header(request.url);
  if (cookies === undefined) return request;
  const { cookie } = request.headers;
  const joined = cookie === undefined ? cookies : `${cookie}; ${cookies}`;
  return { ...request, headers: { ...request.headers, cookie: joined } };
}

/** Returns the results of functions over secrets: an issuer may repeat them as it may the secrets. */
function derivedOf(step: ExchangeStep, values: TemplateValues): Record<string, string> {
  const derived = placeholders(JSON.stringify(step)).filter(
    (each) => each.steps.length > 0 && namesOf(each).some((name) => name.startsWith("secret.")),
  );
  const texts = derived.filter(({ text }) => missing(text, values) === undefined);
  return hiddenOf(Object.fromEntries(texts.map(({ text }) => [text, render(text, values)])));
}

function hiddenOf(values: TemplateValues): Record<string, string> {
  const long = Object.entries(values).filter(
    ([, value]) => (value ?? "").length >= MIN_HIDDEN_LENGTH,
  );
  return Object.fromEntries(long) as Record<string, string>;
}

/** Returns the error of a later step: requests before it were sent, and may have used up a refresh token. */
function asSent(error: unknown): unknown {
  if (!(error instanceof AuthdError) || error.contact?.sent !== false) return error;
  const { reason, message, credential, oauth, retryAfterMs, endpoint, cause, contact } = error;
  return new AuthdError(reason, message, {
    ...omitUndefined({ credential, oauth, retryAfterMs, endpoint }),
    contact: { ...contact, sent: true, answered: false },
    cause,
  });
}
