/** Places of tokens that `authd exec` gives to a child, from its arguments. */
import { isAbsolute } from "node:path";
import { AuthdError } from "../../errors.ts";
import { plain } from "../style.ts";

export type Place = { credential: string } & (
  | { kind: "env"; variable: string }
  /** An absolute path, or the name of a file in the private folder. */
  | { kind: "file"; path: string }
  | { kind: "fd"; number: number }
);

/** Options as given, `PLACE=NAME` each. */
export interface GivenPlaces {
  env?: string[];
  file?: string[];
  fd?: string[];
}

/** Descriptors that a child may be given; those below are the standard streams. */
const DESCRIPTORS = { first: 3, last: 255 } as const;

/**
 * Returns the place of each token. A name that no option mentions has its variable. Throws AuthdError
 * `invalid_params` for a place that is none, or is given twice.
 */
export function placesOf(names: readonly string[], { env, file, fd }: GivenPlaces): Place[] {
  const given = [
    ...(env ?? []).map((text) => variablePlace(text)),
    ...(file ?? []).map((text) => filePlace(text)),
    ...(fd ?? []).map((text) => descriptorPlace(text)),
  ];
  const mentioned = new Set(given.map(({ credential }) => credential));
  const rest = new Set(names.filter((name) => !mentioned.has(name)));
  const byName = Array.from(rest, (credential): Place => {
    return { kind: "env", variable: variableOf(credential), credential };
  });
  const places = [...byName, ...given];
  if (places.length === 0) throw invalid("name a credential: authd exec NAME -- COMMAND");
  refuseTwice(places);
  return places;
}

/** Returns the variable of a credential that no option mentions: "my-api" has MY_API_TOKEN. */
function variableOf(credential: string): string {
  const name = credential.toUpperCase().replace(/[^A-Z0-9]/g, "_");
  return `${/^[0-9]/.test(name) ? "_" : ""}${name}_TOKEN`;
}

function variablePlace(text: string): Place {
  const [variable, credential] = parts("--env", "VARIABLE", text);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable))
    throw invalid(`--env: "${plain(variable)}" is no name of a variable`);
  return { kind: "env", variable, credential };
}

function filePlace(text: string): Place {
  const [path, credential] = parts("--file", "PATH", text);
  if (!isAbsolute(path) && (/[/\\]/.test(path) || path === "." || path === ".."))
    throw invalid(`--file takes an absolute path or the name of a file, not "${plain(path)}"`);
  return { kind: "file", path, credential };
}

function descriptorPlace(text: string): Place {
  const [digits, credential] = parts("--fd", "NUMBER", text);
  const number = Number(digits);
  const { first, last } = DESCRIPTORS;
  if (!/^[0-9]{1,3}$/.test(digits) || number < first || number > last)
    throw invalid(`--fd takes a number between ${first} and ${last}, not "${plain(digits)}"`);
  if (process.platform === "win32") throw invalid("--fd is not there on Windows; use --file");
  return { kind: "fd", number, credential };
}

/** Parts at the last "=": a path may hold one, a credential's name does not. */
function parts(option: string, what: string, text: string): [place: string, credential: string] {
  const at = text.lastIndexOf("=");
  const [place, credential] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if (place === "" || credential === "")
    throw invalid(`${option} takes ${what}=NAME, not "${plain(text)}"`);
  return [place, credential];
}

function refuseTwice(places: readonly Place[]): void {
  const seen = new Set<string>();
  for (const place of places) {
    const key = keyOf(place);
    if (seen.has(key)) throw invalid(`two tokens for one place: ${plain(key)}`);
    seen.add(key);
  }
}

function keyOf(place: Place): string {
  if (place.kind === "env") return `the variable ${place.variable}`;
  return place.kind === "fd" ? `descriptor ${place.number}` : place.path;
}

const invalid = (text: string) => new AuthdError("invalid_params", text);
