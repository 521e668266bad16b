/** Checks one setting alone, as a person enters it: against the schema of its key, and as an address. */
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { type CredentialType, credentialTypeOf } from "./credential-type.ts";
import { checkUrls, followOf, originsOf } from "./destinations.ts";
import { coerceSettings } from "./edit.ts";
import { checkField } from "./fields.ts";
import { checkedHeaders } from "./headers.ts";
import { isTable, type Table } from "./json-table.ts";
import { keptOriginsOf } from "./kept-origins.ts";
import type { Presets } from "./preset.ts";
import { commonSchema, parseWith, shapeOf } from "./schema.ts";
import { parseUrl } from "./urls.ts";

interface OneSetting {
  /** `preset` or `grant` of the credential. */
  file: Table;
  /** Dotted where it is nested: `request.url`. */
  key: string;
  /** Text, or a list of texts, as on the command line. */
  value: unknown;
  allowInsecureHttp?: boolean;
  presets: Presets;
}

/** Returns what is wrong with a setting; undefined: nothing, as far as it can be told alone. */
export function whyUnfitSetting(setting: OneSetting): string | undefined {
  try {
    assertFits(setting);
    return undefined;
  } catch (error) {
    if (error instanceof AuthdError && error.reason === "invalid_params") return error.message;
    throw error;
  }
}

function assertFits({ file, key, value, allowInsecureHttp = false, presets }: OneSetting): void {
  const type = credentialTypeOf(file, presets);
  const field = type.preset?.fields.find(({ name }) => name === key);
  if (field && !field.secret) {
    checkField(field, value, allowInsecureHttp);
    return;
  }
  const table = coerceSettings(file, { [key]: value }, presets);
  const { label, schema, part } = innermost(type, key.split("."), table);
  parseWith(z.object({ [label]: schema }), { [label]: part });
  checkAddresses(key, table, allowInsecureHttp);
}

/** Follows `path` as deep as schemas describe it. */
function innermost(type: CredentialType, path: readonly string[], table: Table) {
  let shape = { ...shapeOf(type.grant.schema), ...commonSchema.shape } as Record<string, unknown>;
  let label = path[0] ?? "";
  let schema = shape[label];
  let part = table[label];
  for (const next of path.slice(1)) {
    shape = { ...shapeOf(schema) };
    if (!Object.hasOwn(shape, next) || !isTable(part)) break;
    label = next;
    schema = shape[next];
    part = part[next];
  }
  return { label, schema: schema as z.ZodMiniType, part };
}

/** Kept values are checked with the whole file. */
function checkVerifyUrl(url: string, key: string, allowInsecureHttp: boolean): void {
  if (!url.includes("{kept.")) parseUrl(url, key, allowInsecureHttp);
}

const NO_FIELDS = { values: {}, urls: new Set<string>(), demand: () => {} };

function checkAddresses(key: string, table: Table, allowInsecureHttp: boolean): void {
  const common = commonSchema.safeParse(table).data ?? {};
  const { origins, headers } = table as { origins?: string[]; headers?: Record<string, string> };
  followOf({ ...common, allow_insecure_http: allowInsecureHttp });
  if (origins) {
    originsOf({ ...common, origins, allow_insecure_http: allowInsecureHttp }, false);
    keptOriginsOf(origins, undefined);
  }
  if (headers) checkedHeaders(headers);
  if (isTable(table.verify) && table.verify.url !== undefined)
    checkVerifyUrl(String(table.verify.url), key, allowInsecureHttp);
  if (key.endsWith("_url") || key === "request.url") checkUrls(table, NO_FIELDS, allowInsecureHttp);
}
