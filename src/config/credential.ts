/** Makes settings of a credential file: merged over its preset and the defaults, parseSettings, frozen. */

import { resolve as resolvePath } from "node:path";
import { omitUndefined } from "../base/omit-undefined.ts";
import { shellWord } from "../base/shell-word.ts";
import { AuthdError } from "../errors.ts";
import type { AnswerCondition } from "../grants/answer-condition.ts";
import { cachingIdOf, type IdOf } from "./accounts.ts";
import { bindingOf } from "./binding.ts";
import { checkTemplates } from "./check-templates.ts";
import { type CredentialType, credentialTypeOf, isField, isSetting } from "./credential-type.ts";
import { declaredNames } from "./declared-names.ts";
import { checkUrls, followOf, originsOf, registerOf, verifyOf } from "./destinations.ts";
import { type Fields, givenValues, readFields } from "./fields.ts";
import { fillIn } from "./fill.ts";
import { BOUND_HEADERS, checkedHeaders, DEFAULT_HEADERS } from "./headers.ts";
import { checkIgnoredKeys } from "./ignored-keys.ts";
import { isTable, mergeTables, type Table, toJsonTable } from "./json-table.ts";
import { keptOriginsOf, originEntries } from "./kept-origins.ts";
import { keptPlaces } from "./kept-places.ts";
import { checkLifetime } from "./lifetime.ts";
import { parsePolicy } from "./parse-policy.ts";
import { checkBodyIsSent, placementOf, placesToken } from "./placement.ts";
import type { Preset, Presets } from "./preset.ts";
import { readPresets } from "./presets.ts";
import { readSafeBytes, textOf } from "./safe-file.ts";
import { type Common, commonSchema, parseWith } from "./schema.ts";
import { secretFields } from "./secrets.ts";
import type { CredentialSettings } from "./settings.ts";
import { writtenKeys, writtenRequest } from "./written.ts";

export interface ResolveOptions {
  /** `ca_file` is relative to it. */
  configDir: string;
  /** Defaults to the shipped presets, and those of the folder. */
  presets?: Presets;
}

/** Makes settings. Throws AuthdError `invalid_params` that names the credential, the key and what to do; never a value. */
export type Resolve = (name: string, file: Table, defaults: Table) => CredentialSettings;

/** Returns a `Resolve` that reads each preset and `ca_file` once, and lets credentials share equal parts. */
export function resolver({ configDir, presets = readPresets(configDir) }: ResolveOptions): Resolve {
  const pems = new Map<string, string>();
  const shared = new Map<string, object>();
  const context: ResolveContext = {
    presets,
    idOf: cachingIdOf(),
    pem: (file) => once(pems, file, () => readPem(resolvePath(configDir, file), file)),
    share: (value) => once(shared, JSON.stringify(value), () => freeze(value)) as typeof value,
  };
  return (name, file, defaults) => {
    try {
      return resolve(context, name, toJsonTable(file), defaults);
    } catch (cause) {
      if (!(cause instanceof AuthdError) || cause.reason !== "invalid_params") throw cause;
      const message = `Credential "${name}": ${cause.message}`;
      throw new AuthdError("invalid_params", message, { credential: name });
    }
  };
}

/** The presets, files and ids that all credentials share. */
interface ResolveContext {
  presets: Presets;
  pem(file: string): string;
  idOf: IdOf;
  /** 10,000 credentials are mostly alike: equal parts are one frozen object. */
  share<Value extends object>(value: Value): Value;
}

function resolve(
  context: ResolveContext,
  name: string,
  file: Table,
  defaults: Table,
): CredentialSettings {
  const type = credentialTypeOf(file, context.presets);
  const given = settingsIn(type, file);
  const known = defaultsFor(type, defaults);
  const settings = mergeTables(withDefaults(type, given, known), given);
  const { fields: ownFields, ...rest } = settings;
  const allowInsecureHttp = rest.allow_insecure_http === true;
  const fields = readFields(type.preset, file, ownFields, allowInsecureHttp);
  checkTemplates(rest, declaredNames(type, rest, Object.keys(fields.values)));
  const { common, own } = parseSettings(type, fillIn(rest, fields));
  checkIgnoredKeys(given, rest);
  checkLifetime(type.grantName, file);
  checkUrls(own, fields, allowInsecureHttp);
  const origins = originsOf(common, given.origins === undefined && type.preset !== undefined);
  const kept = keptPlaces(own);
  const keptOrigins = keptOriginsOf(common.origins ?? [], kept ?? {});
  const moves = !isTable(given.verify) || given.verify.url === undefined;
  const verify = verifyOf(common, origins, moves, keptOrigins);
  const register = registerOf(type.preset, fields, allowInsecureHttp);
  const headers = checkedHeaders(common.headers ?? {});
  const placement = placementOf(common);
  if (placement?.body) checkBodyIsSent(common);
  const follow = followOf(common);
  const values = givenValues(fields);
  const ca = common.ca_file === undefined ? undefined : context.pem(common.ca_file);
  checkConditions(type, given);
  const policy = parsePolicy(common, context.idOf);
  const bound = keptOrigins ? [...origins, ...originEntries(keptOrigins)] : origins;
  const destination = {
    own,
    origins: bound,
    headers,
    ...placement,
    ...omitUndefined({ follow, group: groupNamed(common) }),
    fields: values,
    ca,
    allowInsecureHttp,
    register,
  };
  const secrets = secretFields(type, own, [headers, placement], values);
  const binding = bindingOf({
    ...{ grant: type.grantName, ...destination },
    policy: policyGiven(common),
    verify: verifyBefore(type.preset, given, { common, fields, origins }) ?? verify,
  });
  const share = <Value extends object>(value: Value | undefined) => value && context.share(value);
  return Object.freeze(
    omitUndefined({
      name,
      preset: type.preset?.name,
      grant: type.grantName,
      origins: context.share(origins),
      keptOrigins: share(keptOrigins),
      kept: share(kept),
      headers: context.share(headers),
      placement: share(placement),
      follow: share(follow),
      ttl: common.ttl,
      lifetime:
        typeof common.lifetime === "object" ? context.share(common.lifetime) : common.lifetime,
      warm: common.warm ?? "used",
      verify: share(verify),
      ca,
      allowInsecureHttp,
      secretExpires: common.secret_expires,
      fields: context.share(values),
      own: context.share(own),
      secrets: context.share(secrets),
      rejectedOn: context.share(rejectedOn(common)),
      renewOn: share(common.renew_on),
      register: share(register),
      policy: share(policy),
      binding: binding.digest,
      boundValues: context.share(binding.values),
      written: context.share(
        writtenKeys({ file, preset: type.preset?.settings ?? {}, defaults: known, ca }),
      ),
      writtenRequest: writtenRequest(file),
    }),
  );
}

/** The group `default` is the one of files without a group: both are the same to the secrets. */
function groupNamed({ group }: Common): string | undefined {
  return group === "default" ? undefined : group;
}

/** Throws AuthdError `invalid_params` for a static token whose file says which answers renew or refuse it: no issuer is asked. */
function checkConditions({ grantName }: CredentialType, given: Table): void {
  if (grantName !== "static") return;
  const why = {
    renew_on: "a static token can't be renewed",
    rejected_on: "no issuer is asked for a static token",
  };
  for (const [key, reason] of Object.entries(why)) {
    if (given[key] === undefined) continue;
    throw new AuthdError(
      "invalid_params",
      `${key} has no use here: ${reason}. Leave it out, or take another grant.`,
    );
  }
}

function rejectedOn({ rejected_statuses = [], rejected_on = [] }: Common): AnswerCondition[] {
  return [...rejected_statuses.map((status) => ({ status })), ...rejected_on];
}

/** Returns the verify request of the preset's earlier version; undefined if it had the same, or the file has its own. */
function verifyBefore(
  preset: Preset | undefined,
  given: Table,
  { common, fields, origins }: { common: Common; fields: Fields; origins: readonly string[] },
): CredentialSettings["verify"] {
  if (!preset?.verify_before || given.verify !== undefined) return undefined;
  const { verify } = fillIn({ verify: preset.verify_before }, fields) as Pick<Common, "verify">;
  return verify && verifyOf({ ...common, verify }, origins, true);
}

/** Returns the file's own settings, without the preset's fields. */
function settingsIn(type: CredentialType, file: Table): Table {
  const { preset: _preset, grant: _grant, ...rest } = file;
  return Object.fromEntries(Object.entries(rest).filter(([key]) => !isField(type, key, file)));
}

/** Returns the defaults that this grant knows. */
function defaultsFor(type: CredentialType, defaults: Table): Table {
  return Object.fromEntries(Object.entries(defaults).filter(([key]) => isSetting(type, key)));
}

/** Merges the preset's settings over the defaults; the file is merged over them. */
function withDefaults(type: CredentialType, given: Table, defaults: Table): Table {
  const preset = type.preset?.settings ?? {};
  const explicit =
    preset.headers !== undefined ||
    given.headers !== undefined ||
    placesToken({ ...preset, ...given });
  const isBound = { ...defaults, ...preset, ...given }.dpop === true;
  const settings = explicit
    ? preset
    : { ...preset, headers: isBound ? BOUND_HEADERS : DEFAULT_HEADERS };
  return mergeTables(defaults, settings);
}

function parseSettings(type: CredentialType, settings: Table): { common: Common; own: Table } {
  const parts: { common: Record<string, unknown>; own: Record<string, unknown> } = {
    common: {},
    own: {},
  };
  for (const [key, value] of Object.entries(settings)) {
    const part = Object.hasOwn(commonSchema.shape, key) ? parts.common : parts.own;
    part[key] = value;
  }
  return {
    common: parseWith(commonSchema, parts.common),
    own: parseWith(type.grant.schema, parts.own) as Table,
  };
}

/** Returns the policy as the file says it: the meaning of a name or link can change without an edit of the file. */
function policyGiven({ expose, confirm, methods, paths, allow, deny }: Common) {
  const given = { expose: expose === "token" ? undefined : expose, confirm, methods, paths };
  const rules = { allow: allow?.length ? allow : undefined, deny: deny?.length ? deny : undefined };
  const all = { ...given, ...rules };
  return Object.values(all).some((value) => value !== undefined) ? all : undefined;
}

function readPem(file: string, given: string): string {
  const bytes = readSafeBytes(file);
  const unfit = bytes === undefined ? `does not exist: ${file}` : whyNoPem(bytes, file);
  if (bytes !== undefined && unfit === undefined) return textOf(bytes, file);
  throw new AuthdError("invalid_params", `ca_file ${JSON.stringify(given)} ${unfit}.`);
}

function whyNoPem(bytes: Buffer, file: string): string | undefined {
  if (bytes.includes("-----BEGIN CERTIFICATE-----")) return undefined;
  // A long SEQUENCE, with which every certificate in DER begins (ITU-T X.690).
  if (bytes[0] !== 0x30 || bytes[1] !== 0x82)
    return `is not a PEM file with a certificate: ${file}`;
  const [der, pem] = [file, `${file}.pem`].map(shellWord);
  return `is a certificate in DER, and has to be in PEM: openssl x509 -inform der -in ${der} -out ${pem} makes one`;
}

function once<Value>(made: Map<string, Value>, key: string, make: () => Value): Value {
  const known = made.get(key);
  if (known !== undefined) return known;
  const value = make();
  made.set(key, value);
  return value;
}

function freeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null) {
    for (const member of Object.values(value)) freeze(member);
    Object.freeze(value);
  }
  return value;
}
