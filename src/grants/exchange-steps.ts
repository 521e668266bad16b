/** Sends an exchange's requests one after the other; each can take values out of its answer for those after it. */
import { omitUndefined } from "../base/omit-undefined.ts";
import { namesOf, placeholders } from "../base/placeholders.ts";
import { missing, render, type TemplateValues } from "../base/template.ts";
import { AuthdError } from "../errors.ts";
import { buildRequest } from "./build-request.ts";
import { type CookieJar, createCookieJar } from "./cookie-jar.ts";
import { ASSERTION } from "./exchange-assertion.ts";
import { type ExchangeStep, writeRequest } from "./exchange-request.ts";
import type { AcquireContext, IssuerRequest, IssuerResponse } from "./grant.ts";
import { derivedSecrets, longEnough } from "./hidden-values.ts";
import { type Answer, readAnswer, textAt } from "./place.ts";
import {
  type AnswerContext,
  isRejected,
  saysRefused,
  toRefusalError,
  unusableAnswer,
} from "./refusal.ts";

/** A sequence of requests, of which the last brings the token. */
export interface Sequence {
  steps: readonly ExchangeStep[];
  /** Returns the key of the credential file that holds a step's address, for messages. */
  urlKey: (index: number) => string;
  /** Headers of every request, as templates. */
  headers: Readonly<Record<string, string>>;
  /** True if a redirect can be the last answer: the token is in one of its headers. */
  readsRedirects: boolean;
  /** Called with each answer but the last, unless it is a refusal, before anything else is done with it. */
  onAnswer: (answer: Answer) => Promise<void>;
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
  sequence: Sequence,
  values: TemplateValues,
  answers: StepContext,
): Promise<LastAnswer> {
  const { steps, urlKey, readsRedirects, onAnswer } = sequence;
  const jar = steps.length > 1 ? await createCookieJar() : undefined;
  let known: Known = { values, hidden: {} };
  for (const [index, step] of steps.entries()) {
    const isLast = index === steps.length - 1;
    const at = { ...answers, urlKey: urlKey(index) };
    const { request, now } = await build(context, known, at, () => write(step, sequence, known));
    const response = await context
      .send({
        ...withCookies(request, jar),
        ...{ urlKey: at.urlKey, hidden: Object.values(now.hidden) },
        hidesPath: !isPlainPath(step.url, values),
        readsRedirects: isLast ? readsRedirects : true,
      })
      .catch((error) => {
        throw index === 0 ? error : asSent(error);
      });
    jar?.store(request.url, response.setCookies ?? []);
    if (isLast) return { response, urlKey: at.urlKey, hidden: now.hidden };
    const concealed = concealing(at, now);
    const answer = readStep(response, concealed);
    await onAnswer(answer);
    const taken = takenValues(response, answer, step, concealed);
    known = { ...withValues(now, taken), response };
  }
  throw new Error("a sequence without steps");
}

/** What is known between two steps. */
interface Known {
  values: TemplateValues;
  /** Values that were made or taken on the way, which no error may quote. */
  hidden: Record<string, string>;
  /** The last answer. */
  response?: IssuerResponse;
}

function withValues(known: Known, more: TemplateValues): Known {
  const hidden = { ...known.hidden, ...longEnough(more) };
  return { ...known, values: { ...known.values, ...more }, hidden };
}

function concealing(at: AnswerContext, { hidden }: Known): AnswerContext {
  return { ...at, secrets: { ...at.secrets, ...hidden } };
}

/** Returns a step's request, and what is known with the step's own values. */
function write(step: ExchangeStep, { headers }: Sequence, known: Known) {
  const now = withValues(known, madeValues(step, known.values));
  const request = writeRequest(step, now.values, headers);
  Object.assign(now.hidden, derivedSecrets([step, headers], now.values));
  return { request, now };
}

/** True if the path of a URL holds nothing but text and values that everybody may see: `given`, but for secrets. */
function isPlainPath(url: string, given: TemplateValues): boolean {
  const isSecret = (name: string) => name.startsWith("secret.") || name === ASSERTION;
  return placeholders(url.split("?")[0]!)
    .flatMap(namesOf)
    .every((name) => Object.hasOwn(given, name) && !isSecret(name));
}

/** Builds a request. A value of an earlier answer that does not fit is that answer's fault. */
async function build<T>(
  context: AcquireContext<unknown>,
  known: Known,
  at: AnswerContext,
  make: () => T,
): Promise<T> {
  if (known.response === undefined) return await buildRequest(context, make);
  try {
    return make();
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    const what = `the request of ${at.urlKey} can't be made of what came before: ${error.message}`;
    throw unusableAnswer(known.response, concealing(at, known), what);
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

/** Reads an answer before the last. Throws the AuthdError of one that is a refusal, or a failure. */
function readStep(response: IssuerResponse, context: AnswerContext): Answer {
  const { status } = response;
  if (status < 200 || status > 399 || isRejected(response, context)) {
    throw toRefusalError(response, context);
  }
  return readAnswer(response);
}

/** Returns the values that the step takes. Throws AuthdError if the answer lacks one, as a refusal does. */
function takenValues(
  response: IssuerResponse,
  answer: Answer,
  { take = {} }: ExchangeStep,
  context: AnswerContext,
): Record<string, string> {
  const { status } = response;
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
