import { omitUndefined } from "../base/omit-undefined.ts";
import { referenced, type TemplateValues } from "../base/template.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { buildRequest } from "./build-request.ts";
import { whyUnfitKey } from "./client-assertion.ts";
import { readExchangeAnswer } from "./exchange-answer.ts";
import { assertionKey, exchangeAssertionSchema, withAssertion } from "./exchange-assertion.ts";
import {
  CALLER_VALUES,
  type ExchangeStep,
  renderUrl,
  renewSchema,
  requestSchema,
  stepsSchema,
} from "./exchange-request.ts";
import { sendSteps } from "./exchange-steps.ts";
import { generatedValues } from "./generated-values.ts";
import type { AcquireContext, Acquired, Grant } from "./grant.ts";
import { codeIn } from "./one-time-code.ts";
import { type Answer, placeSchema, readAnswer, textAt } from "./place.ts";
import { isRefusal } from "./refusal.ts";
import { headersSchema } from "./request-parameters.ts";
import { exchangeResponse } from "./response-settings.ts";
import { reuseGrace } from "./reuse-grace.ts";
import { withRotated } from "./rotated-token.ts";
import { subjectSchema, subjectSecrets } from "./subject.ts";
import { timeOfRefusal } from "./time-of-refusal.ts";

const secretName = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_-]+$/, "must be letters, digits, _ and -"));

const schema = z
  .strictObject({
    request: z.described(z.optional(requestSchema), "The request that brings a token, as data."),
    steps: z.described(
      z.optional(stepsSchema),
      "Requests one after the other, of which the last brings a token.",
    ),
    response: z.described(exchangeResponse, "Where in the answer the token and its lifetime are."),
    renew: z.described(
      z.optional(renewSchema),
      "The request, or the steps, of a renewal with the secret that rotates names.",
    ),
    assertion: z.described(
      z.optional(exchangeAssertionSchema),
      "A JWT that the requests use as {assertion}, signed with the secret key.",
    ),
    subject: z.described(
      z.optional(subjectSchema),
      "Where a subject token comes from, which the requests use as {secret.subject_token}.",
    ),
    rotates: z.described(
      z.optional(
        z
          .record(secretName, placeSchema)
          .check(z.refine((places) => Object.keys(places).length === 1, "must name one secret")),
      ),
      "A secret that the issuer may replace, and where its answer has the next one.",
    ),
    reuse_grace: reuseGrace,
    token_headers: z.described(
      z.optional(headersSchema),
      "Headers of each of these requests; {field} and {secret.name} are filled in.",
    ),
    secrets: z.described(
      z._default(z.array(secretName), []),
      "The names of the secrets that the request uses as {secret.name}.",
    ),
  })
  .check(
    z.refine(({ request, steps }) => request !== undefined || steps !== undefined, {
      path: ["request"],
      error: "is missing",
    }),
    z.refine(
      ({ request, steps }) => request === undefined || steps === undefined,
      "has both request and steps",
    ),
    z.refine(({ renew, rotates }) => renew === undefined || rotates !== undefined, {
      path: ["renew"],
      error: "needs rotates, which names the secret that a renewal sends",
    }),
    z.refine(({ reuse_grace, rotates }) => reuse_grace === undefined || rotates !== undefined, {
      path: ["reuse_grace"],
      error: "needs rotates, which names the secret that is taken once more",
    }),
    z.refine(
      ({ renew, rotates = {}, secrets }) => {
        return renew !== undefined || Object.keys(rotates).every((name) => secrets.includes(name));
      },
      {
        path: ["rotates"],
        error: "names what is not one of secrets, and there is no renew that sends it",
      },
    ),
    z.refine(
      ({ subject }) => subject?.aws === undefined || subject.aws.audience !== undefined,
      "subject.aws.audience is missing: it signs whom its request is for",
    ),
  );

type ExchangeSettings = z.output<typeof schema>;
type Secrets = Readonly<Record<string, string>>;

/** Sends HTTP requests that are described as data: a sign-in that is not OAuth. */
export const exchange: Grant<ExchangeSettings> = {
  summary: "any other HTTP request whose answer holds a token",
  schema,
  secrets: ({ secrets, assertion, subject }) => [
    ...secrets.map((name) => ({ name, optional: false, label: name.replaceAll("_", " ") })),
    ...(assertion ? [assertionKey] : []),
    ...subjectSecrets(subject),
  ],
  whyUnfitSecret: whyUnfitKey,
  issuerUrl: (settings, fields) => addressOf(settings, fields),
  acceptsTarget: ({ request, steps, renew }) =>
    referenced(JSON.stringify([request, steps, renew]), CALLER_VALUES).length > 0,
  rotates: ({ rotates = {} }) => Object.keys(rotates)[0],
  refusesInOwnWords: true,
  obtainsRotating: ({ renew, rotates = {}, secrets }) =>
    renew !== undefined && !Object.keys(rotates).some((name) => secrets.includes(name)),
  timeStep: (settings, secrets, at) => codeIn(sequenceFor(settings, secrets).steps, secrets, at),
  acquire,
};

async function acquire(context: AcquireContext<ExchangeSettings>): Promise<Acquired> {
  const { settings, secrets } = context;
  const [secret = "", place] = Object.entries(settings.rotates ?? {})[0] ?? [];
  const isSpending = secrets[secret] !== undefined;
  const nextIn = (answer: Answer) => (place === undefined ? undefined : textAt(place, answer));
  /** The next secret of the answers before the last, and that of the last one. */
  const found: { early?: string; last?: string } = {};
  const onAnswer = async (answer: Answer) => {
    const next = nextIn(answer);
    if (next === undefined) return;
    found.early = next;
    if (isSpending) await context.onRotated?.(next);
  };
  const current = () => {
    const isReplaced = isSpending && found.early !== undefined;
    return isReplaced ? { ...secrets, [secret]: found.early! } : secrets;
  };
  try {
    const { response, answers } = await sendTimed(context, { isSpending, onAnswer, current });
    Object.assign(found, omitUndefined({ last: nextIn(readAnswer(response)) }));
    const { response: places } = sequenceFor(settings, secrets);
    const acquired = readExchangeAnswer(response, places, answers);
    return { ...acquired, ...omitUndefined({ refreshToken: found.last ?? found.early }) };
  } catch (error) {
    // The answer that refuses replaces nothing; one before it has done so.
    const next = isRefusal(error) ? found.early : (found.last ?? found.early);
    const isKept = isSpending && next !== undefined && error instanceof AuthdError;
    throw isKept ? withRotated(error, next) : error;
  }
}

interface Rotating {
  /** True if the rotating secret is sent. */
  isSpending: boolean;
  onAnswer: (answer: Answer) => Promise<void>;
  /** Returns the secrets, of which an answer may have replaced one. */
  current: () => Secrets;
}

/**
 * Sends the sequence; one that is refused where the clocks are apart is signed again by the issuer's clock. Returns
 * the last answer, and what it is read with.
 */
async function sendTimed(
  context: AcquireContext<ExchangeSettings>,
  { isSpending, onAnswer, current }: Rotating,
) {
  const { settings, credential, rejectedOn, now, lifetime, held } = context;
  const { steps, urlKey, response: places, isRenewal } = sequenceFor(settings, context.secrets);
  const readsRedirects = /^(cookie|header):/i.test(places.token);
  const headers = settings.token_headers ?? {};
  const sequence = { steps, urlKey, headers, readsRedirects, onAnswer };
  const refreshing = isRenewal || isSpending;
  const common = { credential, rejectedOn, lifetime, now, held, refreshing };
  const send = async (at: number) => {
    const secrets = current();
    const values = await buildRequest(context, () =>
      withAssertion(context, settings.assertion, valuesOf({ ...context, secrets }), at),
    );
    const { assertion = "" } = values;
    const sent = { ...common, secrets: { ...secrets, assertion } };
    const { response, urlKey: lastKey, hidden } = await sendSteps(context, sequence, values, sent);
    const answers = { ...sent, secrets: { ...sent.secrets, ...hidden }, urlKey: lastKey };
    return { response, answers };
  };
  const first = await send(now);
  const issuerNow = settings.assertion && timeOfRefusal(first.response, now);
  return issuerNow === undefined ? first : await send(issuerNow);
}

/** Returns the steps to send with these secrets: a renewal's where the secret for one is there. */
function sequenceFor(
  { request, steps, renew, rotates = {}, response }: ExchangeSettings,
  secrets: Secrets,
) {
  const isRenewal = renew !== undefined && Object.keys(rotates).some((name) => secrets[name]);
  const prefix = isRenewal ? "renew." : "";
  const many = isRenewal ? renew.steps : steps;
  const places = (isRenewal ? renew.response : undefined) ?? response;
  if (many) {
    const urlKey = (index: number) => `${prefix}steps[${index + 1}].url`;
    return { steps: many, urlKey, response: places, isRenewal };
  }
  // The schema has one of the two.
  const one = (isRenewal ? renew : request) as ExchangeStep;
  const key = isRenewal ? "renew.url" : "request.url";
  return { steps: [one], urlKey: () => key, response: places, isRenewal };
}

/** Returns the address of the last sign-in request; undefined if it is incomplete, in which case the request fails with the reason. */
function addressOf(settings: ExchangeSettings, fields: Secrets): string | undefined {
  const { url } = (settings.steps?.at(-1) ?? settings.request) as ExchangeStep;
  try {
    return renderUrl(url, fields);
  } catch {
    return undefined;
  }
}

/** Returns the values of templates: none for a secret that was not given. A caller's value overrides a field of that name. */
function valuesOf(context: AcquireContext<ExchangeSettings>): TemplateValues {
  const { fields, secrets, settings } = context;
  const declared = new Set([
    ...settings.secrets,
    ...Object.keys(settings.rotates ?? {}),
    ...Object.keys(secrets),
  ]);
  const callerValues = {
    scope: context.scope ?? fields.scope,
    audience: context.audience ?? fields.audience,
  };
  return {
    ...generatedValues(context.codeAt ?? context.now),
    ...fields,
    ...Object.fromEntries([...declared].map((name) => [`secret.${name}`, secrets[name]])),
    ...callerValues,
  };
}
