/** Values that are kept of issuers' answers, beside the tokens that came with them. */
import { admittedOrigin } from "../config/kept-origins.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { Acquired } from "../grants/grant.ts";
import type { Trouble } from "../protocol.ts";
import type { CredentialRecord } from "./record.ts";

/** Values by name. */
export type Kept = Readonly<Record<string, string>>;

/**
 * Notes the values of an answer in the record, for later ones that lack some. The answer to a caller's own
 * scope or audience adds only what is not known yet.
 */
export function noteKept(record: CredentialRecord, { kept }: Acquired, isCallers: boolean): void {
  if (!kept) return;
  record.kept = isCallers ? { ...kept, ...record.kept } : { ...record.kept, ...kept };
}

/** Returns the values that go with a token: its answer's, and for those that it lacks the token's of `before`, or the newest. */
export function completeKept(
  record: CredentialRecord,
  before: Kept | undefined,
  { kept }: Acquired,
): Kept | undefined {
  return kept && { ...record.kept, ...before, ...kept };
}

/** Returns the origins that kept values name, as far as the patterns of the file admit them. */
export function originsIn({ keptOrigins }: CredentialSettings, kept: Kept = {}): string[] {
  if (!keptOrigins) return [];
  const values = keptOrigins.from.flatMap((name) => ownValue(kept, name) ?? []);
  const origins = values.flatMap((value) => admittedOrigin(value, keptOrigins) ?? []);
  return [...new Set(origins)];
}

/** Returns the values that may be handed out; undefined if there is none. */
export function extraOf({ kept: places = {} }: CredentialSettings, kept: Kept = {}) {
  const shown = Object.entries(kept).filter(([name]) => placeOf(places, name)?.secret === false);
  return shown.length > 0 ? Object.freeze(Object.fromEntries(shown)) : undefined;
}

/** Returns the values that no message may show. */
export function secretsIn({ kept: places = {} }: CredentialSettings, kept: Kept = {}): string[] {
  return Object.entries(kept).flatMap(([name, value]) =>
    placeOf(places, name)?.secret ? [value] : [],
  );
}

/** Returns what a person should know of a token's kept values: one is missing, or names an origin that no pattern admits. */
export function keptTroubles(
  settings: CredentialSettings,
  issued: WithKept | undefined,
): Trouble[] {
  const { name, kept: places, keptOrigins } = settings;
  if (!places || !issued) return [];
  const { kept = {} } = issued;
  const missing = Object.keys(places).filter((key) => ownValue(kept, key) === undefined);
  const outside = (keptOrigins?.from ?? []).filter((key) => {
    const value = ownValue(kept, key);
    return value !== undefined && originsIn(settings, { [key]: value }).length === 0;
  });
  return [
    ...missing.map((key) => ({
      reason: "kept_value" as const,
      message: `${name}: the issuer's answer has no value to keep at response.keep.${key} = "${places[key]!.from}"`,
      help: `authd set ${name} --set response.keep.${key}=…`,
    })),
    ...outside.map((key) => ({
      reason: "kept_value" as const,
      message: `${name}: {kept.${key}} in the issuer's answer is no origin within ${keptOrigins!.within.join(", ")}, so the token does not go there`,
      help: `authd get ${name} --format json shows what it is (extra); authd edit ${name}`,
    })),
  ];
}

/** The kept values of a token. */
interface WithKept {
  readonly kept?: Kept;
}

/** Returns values for templates by `kept.NAME`; undefined for one that the issuer never gave, or of several lines (PEM). */
export function keptTemplateValues({ kept: places = {} }: CredentialSettings, kept: Kept = {}) {
  const named = Object.keys(places).map(
    (name) => [`kept.${name}`, oneLine(ownValue(kept, name))] as const,
  );
  return Object.fromEntries(named);
}

const oneLine = (value: string | undefined) => (value?.includes("\n") ? undefined : value);

/** Returns own members only: a file may call a value `constructor`. */
function ownValue(kept: Kept, name: string): string | undefined {
  return Object.hasOwn(kept, name) ? kept[name] : undefined;
}

function placeOf(places: NonNullable<CredentialSettings["kept"]>, name: string) {
  return Object.hasOwn(places, name) ? places[name] : undefined;
}
