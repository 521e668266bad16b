/** Makes digests of settings as they are written, which tell later which key of which file was edited. */
import { hash } from "node:crypto";
import { canonical, isTable, type Table } from "./json-table.ts";
import { commonSchema } from "./schema.ts";
import { FROM_CONFIG } from "./settings.ts";

/** Keys that decide when, not where a secret goes: an edit needs nobody's consent. */
const UNBOUND = new Set([
  ...["ttl", "lifetime", "warm", "secret_expires", "rejected_statuses"],
  ...["rejected_on", "renew_on"],
]);

/** The parts of a credential, before they are merged and filled in. */
export interface Sources {
  /** The content of its own file. */
  file: Table;
  /** The settings of its preset. */
  preset: Table;
  /** The defaults of `config.toml` that its grant knows. */
  defaults: Table;
  /** PEM text: the content of `ca_file`. */
  ca: string | undefined;
}

/** Returns a digest for each written key that decides where secrets go, or who may use them. */
export function writtenKeys({ file, preset, defaults, ca }: Sources): Record<string, string> {
  const written: Record<string, string> = {};
  const note = (label: string, key: string, value: unknown) => {
    if (!UNBOUND.has(key)) written[label] = digestOf(key === "ca_file" ? ca : value);
  };
  for (const [key, value] of Object.entries(file)) note(key, key, value);
  for (const [key, value] of Object.entries(defaults)) {
    const above = file[key] ?? preset[key];
    const counts = above === undefined || (isTable(above) && isTable(value));
    // The global `ca_file` stands outside [defaults].
    const name = key === "ca_file" ? key : `defaults.${key}`;
    if (counts) note(FROM_CONFIG + name, key, value);
  }
  return written;
}

/**
 * Returns a digest of the part of the credential's own file that is about its token request. `config.toml`
 * does not count: an edit there is about no single credential.
 */
export function writtenRequest(file: Table): string {
  const about = Object.entries(file).filter(
    ([key]) => key === "fields" || !Object.hasOwn(commonSchema.shape, key),
  );
  return digestOf(Object.fromEntries(about));
}

/** Returns a digest of 66 bits: enough for the key that a message names, and to see whether a refusal still stands. */
function digestOf(value: unknown): string {
  return hash("sha256", canonical(value), "base64url").slice(0, 11);
}
