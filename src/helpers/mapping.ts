/**
 * `helpers.toml`: which credential a tool gets for which host. It is in the state folder: what decides where
 * tokens go must not come with a configuration folder that others can write to, such as a dotfiles repository.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isTable } from "../config/json-table.ts";
import { AuthdError } from "../errors.ts";
import type { CredentialInfo } from "../protocol.ts";
import type { Found, Mapped } from "./helper.ts";
import { bestFor, isPrivate, originOf, type Place, parsePlace } from "./places.ts";
import type { LinesChange } from "./setup/lines.ts";

/** Returns the path of the file, which need not exist. */
function mappingFile(stateDir: string): string {
  return join(stateDir, "helpers.toml");
}

/** Reads the entries of one tool. Rejects with AuthdError `invalid_params` for a file that can't be used. */
export async function readMapping(stateDir: string, tool: string): Promise<Mapped[]> {
  const file = mappingFile(stateDir);
  if (!existsSync(file)) return [];
  const { readTomlFile } = await import("../config/toml.ts");
  const entries = readTomlFile(file)?.[tool] ?? {};
  if (!isTable(entries)) throw new AuthdError("invalid_params", `${file}: ${tool} is no table.`);
  return Object.entries(entries).map(([key, credential]) => {
    if (typeof credential === "string") return { place: parsePlace(key), credential };
    const message = `${file}: ${tool}."${key}" must be the name of a credential.`;
    throw new AuthdError("invalid_params", message);
  });
}

/** Returns the change that adds an entry. */
export function mappingChange(
  stateDir: string,
  tool: string,
  target: string,
  credential: string,
): LinesChange {
  const key = JSON.stringify(target);
  return {
    kind: "lines",
    path: mappingFile(stateDir),
    section: `[${tool}]`,
    lines: [`${key} = ${JSON.stringify(credential)}`],
    key,
    once: true,
    isCommon: true,
    // It is authd's own: without entries it is nothing.
    madeFile: true,
    target,
    credential,
  };
}

/**
 * Returns the credential for `place`: that of `mapped`, else the one among whose origins it is. Throws
 * AuthdError `invalid_params` if there are several, or if the token could be read on its way there.
 */
export async function findCredential(
  tool: string,
  place: Place,
  mapped: readonly Mapped[],
  credentials: () => Promise<readonly CredentialInfo[]>,
): Promise<Found | undefined> {
  const entry = bestFor(mapped, place);
  const found = entry
    ? { credential: entry.credential, ...(entry.place.user ? { user: entry.place.user } : {}) }
    : byOrigin(tool, place, await credentials());
  if (found && !isPrivate(place)) {
    const message = `${originOf(place)} has no TLS: ${tool} gets no token of ${found.credential} for it.`;
    throw new AuthdError("invalid_params", message);
  }
  return found;
}

function byOrigin(
  tool: string,
  place: Place,
  credentials: readonly CredentialInfo[],
): Found | undefined {
  const origin = originOf(place);
  const [one, ...others] = credentials.filter(({ origins }) => origins.includes(origin));
  if (!one || others.length === 0) return one && { credential: one.name };
  const names = [one, ...others].map(({ name }) => name).join(", ");
  throw new AuthdError(
    "invalid_params",
    `${names} are all for ${origin}. Choose one: authd helper install ${tool} --for ${place.host}=NAME`,
  );
}
