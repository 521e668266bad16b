/** Everything about one credential that is no secret. */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Table } from "../config/config.ts";
import { differencesOf } from "../config/differences.ts";
import { originEntries } from "../config/kept-origins.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { Credential } from "../credential/credential.ts";
import { metadataDifferences } from "../credential/issuer-metadata.ts";
import { isBinding } from "../credential/record.ts";
import type { AnswerCondition } from "../grants/answer-condition.ts";
import type { CredentialDetails } from "../protocol.ts";

/** Content of a credential's file now, and the settings that follow from it. */
export interface ReadFile {
  content: Table;
  settings: CredentialSettings;
}

/** Describes a credential by its file as it is now, which authd may not have read again yet. */
export function describe(
  credential: Credential,
  { content, settings }: ReadFile,
): Omit<CredentialDetails, keyof ReturnType<Credential["info"]>> {
  const { identity } = credential;
  return omitUndefined({
    settings: settingsOf(settings, content),
    secrets: credential.isReadable ? secretsOf(credential, settings) : undefined,
    binding: settings.binding,
    differences: differencesFrom(credential, { content, settings }),
    identity: Object.keys(identity).length > 0 ? identity : undefined,
  });
}

/** Returns settings by the keys of a credential file: `ca_file` as its path, rules as in the file. */
function settingsOf(settings: CredentialSettings, content: Table): Record<string, unknown> {
  const { preset, grant, own, headers, fields, boundValues } = settings;
  const { expose, confirm, methods, paths, allow, deny, ca_file, group } = boundValues;
  const { ttl, lifetime, warm, verify, register, secretExpires, allowInsecureHttp, keptOrigins } =
    settings;
  const origins = [...settings.origins, ...(keptOrigins ? originEntries(keptOrigins) : [])];
  return omitUndefined<Record<string, unknown>>({
    ...{ preset, grant, ...(own as Table) },
    ...{
      origins,
      headers,
      ...settings.placement,
      follow: settings.follow,
      verify,
      ttl,
      lifetime,
      warm,
      register,
    },
    ca_file: content.ca_file ?? ca_file,
    allow_insecure_http: allowInsecureHttp || undefined,
    secret_expires: secretExpires,
    group,
    ...refusalsOf(settings),
    renew_on: settings.renewOn,
    fields: Object.keys(fields).length > 0 ? fields : undefined,
    ...{ expose, confirm, methods, paths, allow, deny },
  });
}

/** Returns the answers that refuse a secret: those that are a status alone by the shorter key. */
function refusalsOf({ rejectedOn }: CredentialSettings) {
  const isStatus = ({ body, header }: AnswerCondition) =>
    body === undefined && header === undefined;
  const statuses = rejectedOn.filter(isStatus).map(({ status }) => status);
  const conditions = rejectedOn.filter((condition) => !isStatus(condition));
  return {
    rejected_statuses: statuses.length > 0 ? statuses : undefined,
    rejected_on: conditions.length > 0 ? conditions : undefined,
  };
}

function secretsOf({ record }: Credential, { secrets }: CredentialSettings) {
  return secrets.map(({ name, optional = false }) => ({
    ...{ name, optional },
    isEntered: Boolean(record.secrets[name]),
  }));
}

/** Returns undefined if nothing differs, or nothing is bound: without a secret, none could go elsewhere. */
function differencesFrom(credential: Credential, { content, settings }: ReadFile) {
  if (!credential.isReadable) return undefined;
  const { record } = credential;
  const edited = isBinding(settings, record) ? differencesOf(settings, record, content) : [];
  const differences = [...edited, ...metadataDifferences(settings, record)];
  return differences.length > 0 ? differences : undefined;
}
