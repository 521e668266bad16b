import { referenced, type TemplateValues } from "../base/template.ts";
import * as z from "../base/zod.ts";
import { buildRequest } from "./build-request.ts";
import { readExchangeAnswer } from "./exchange-answer.ts";
import { CALLER_VALUES, renderUrl, requestSchema, writeRequest } from "./exchange-request.ts";
import { generatedValues } from "./generated-values.ts";
import type { AcquireContext, Grant } from "./grant.ts";
import { exchangeResponse } from "./response-settings.ts";

/** The key of the credential file that holds the address, for messages. */
const URL_KEY = "request.url";

const schema = z.strictObject({
  request: requestSchema.describe("The request that brings a token, as data."),
  response: exchangeResponse.describe("Where in the answer the token and its lifetime are."),
  secrets: z
    .array(z.string().regex(/^[A-Za-z0-9_-]+$/, "must be letters, digits, _ and -"))
    .default([])
    .describe("The names of the secrets that the request uses as {secret.name}."),
});

/** Sends any HTTP request that is described as data: a sign-in that is not OAuth. */
export const exchange: Grant<z.output<typeof schema>> = {
  summary: "any other HTTP request whose answer holds a token",
  schema,
  secrets: (settings) =>
    settings.secrets.map((name) => ({ name, optional: false, label: name.replaceAll("_", " ") })),
  issuerUrl: ({ request }, fields) => addressOf(request.url, fields),
  acceptsTarget: ({ request }) => referenced(JSON.stringify(request), CALLER_VALUES).length > 0,
  acquire: async (context) => {
    const { settings, secrets, held, credential, rejectedOn, now } = context;
    const request = buildRequest(context, () => writeRequest(settings.request, valuesOf(context)));
    const response = await context.send({ ...request, urlKey: URL_KEY });
    return readExchangeAnswer(response, settings.response, {
      credential,
      rejectedOn,
      lifetime: context.lifetime,
      now,
      secrets,
      held,
      urlKey: URL_KEY,
    });
  },
};

/** Returns the address; undefined if it is incomplete, in which case the request fails with the reason. */
function addressOf(url: string, fields: Readonly<Record<string, string>>): string | undefined {
  try {
    return renderUrl(url, fields);
  } catch {
    return undefined;
  }
}

/** Returns the values of templates: none for a secret that was not given. A caller's value overrides a field of that name. */
function valuesOf(context: AcquireContext<z.output<typeof schema>>): TemplateValues {
  const { fields, secrets, settings } = context;
  const declared = new Set([...settings.secrets, ...Object.keys(secrets)]);
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
