/** Presets and grants: what a new credential can be made from. */
import { didYouMean } from "../../base/suggest.ts";
import { shippedPresets } from "../../config/config.ts";
import { AuthdError } from "../../errors.ts";
import { grants } from "../../grants/index.ts";
import { knownPreset, knownPresets } from "../known-presets.ts";
import { search } from "../prompts.ts";

export type Kind = { preset: string } | { grant: string };

/** Asks for the API, or for the grant of another one. */
export async function askKind(): Promise<Kind> {
  const presets = [...knownPresets().byName.values()].map(({ name, title, file }) => ({
    value: `preset ${name}`,
    label: title,
    hint: file === undefined ? "authd knows it" : "a preset of yours",
  }));
  const others = Object.entries(grants).map(([name, { summary }]) => ({
    value: `grant ${name}`,
    label: `another, by ${name}: ${summary}`,
  }));
  const chosen = await search("Which API is it for?", [...presets, ...others]);
  const [word, name = ""] = chosen.split(" ");
  return word === "preset" ? { preset: name } : { grant: name };
}

/** Throws AuthdError `invalid_params`, with the nearest name, for one that does not exist. */
export function checkKind(kind: Kind): void {
  if ("preset" in kind) knownPreset(kind.preset);
  else if (!Object.hasOwn(grants, kind.grant)) {
    const hint = didYouMean(kind.grant, Object.keys(grants));
    throw new AuthdError("invalid_params", `There is no grant "${kind.grant}".${hint}`);
  }
}

/** The end of `authd add --help`: every preset and every grant, one a line. */
export function kindsForHelp(): string {
  const presets = Array.from(shippedPresets().byName.values(), ({ name, title, grant }) =>
    lineOf(name, `${title}, by ${grant}`),
  );
  const all = Object.entries(grants).map(([name, { summary }]) => lineOf(name, summary));
  return `\nPresets:\n${presets.join("\n")}\n\nGrants:\n${all.join("\n")}`;
}

const lineOf = (name: string, text: string) => `  ${name.padEnd(20)}${text}`;
