/** The description of one API, as a preset's file holds it; docs/presets.md says what stands in it. */
import { didYouMean } from "../base/suggest.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import type { Table } from "./json-table.ts";
import { parseWith } from "./schema.ts";
import type { RegisterRequest } from "./settings.ts";

const fieldSchema = z.strictObject({
  label: z.described(z.nonEmpty, "Shown when the value is asked for."),
  hint: z.described(z.optional(z.nonEmpty), "A few words beside the label."),
  secret: z.described(
    z._default(z.boolean(), false),
    "Kept in the vault and asked for without echo; {secret.NAME} in templates.",
  ),
  optional: z.described(z._default(z.boolean(), false), "May be left empty."),
  default: z.described(z.optional(z.string()), "A template over the fields above it."),
  kind: z.described(
    z._default(z.enum(["text", "url", "base", "path"]), "text"),
    "base: a URL that paths are appended to; path: what is appended to one.",
  ),
  choices: z.described(
    z.optional(
      z.pipe(
        z.union([z.array(z.nonEmpty).check(z.minLength(1)), z.record(z.nonEmpty, z.string())]),
        z.transform((choices) =>
          Array.isArray(choices)
            ? Object.fromEntries(choices.map((choice) => [choice, choice]))
            : choices,
        ),
      ),
    ),
    "Values that may be typed; as a table, with the text that templates get for each.",
  ),
});

/** The content of a preset's file. */
export const presetSchema = z.strictObject({
  title: z.described(z.nonEmpty, "The API's name, as people call it."),
  grant: z.described(z.nonEmpty, "How tokens are obtained."),
  keys: z.described(
    z.strictObject({ hint: z.nonEmpty, url: z.optional(z.url()) }),
    "Where a person finds or makes the keys of this API.",
  ),
  fields: z.described(
    z.record(z.string().check(z.regex(/^[a-z][a-z0-9_]*$/)), fieldSchema),
    "Values to ask for, in this order.",
  ),
  settings: z.described(
    z.record(z.nonEmpty, z.json()),
    "Keys of the grant and of every credential file, as templates over the fields.",
  ),
  verify_before: z.described(
    z.optional(
      z.strictObject({ method: z.enum(["GET", "HEAD", "POST", "OPTIONS"]), url: z.nonEmpty }),
    ),
    "Of a shipped preset: the verify request of before, to which credentials with rules are bound.",
  ),
  register: z.described(
    z.optional(
      z.strictObject({
        url: z.nonEmpty,
        generates: z.nonEmpty,
        json: z.record(z.nonEmpty, z.string()),
      }),
    ),
    "How --register makes an account.",
  ),
});

/** A value that a preset asks its user for. */
export interface PresetField extends z.output<typeof fieldSchema> {
  name: string;
}

export interface Preset {
  readonly name: string;
  readonly title: string;
  /** A row of the table in grants/index.ts. */
  readonly grant: string;
  /** The page where a person finds or makes the keys of this API. */
  readonly keys: { readonly hint: string; readonly url?: string | undefined };
  /** In the order in which they are asked for. */
  readonly fields: readonly PresetField[];
  /** Keys of the grant and of every credential (docs/configuration.md), as templates over the fields. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The verify request of an earlier version, which stays in the binding of credentials with rules. */
  readonly verify_before?:
    | { readonly method: "GET" | "HEAD" | "POST" | "OPTIONS"; readonly url: string }
    | undefined;
  readonly register?: RegisterRequest | undefined;
  /** Path of its file, if it is a person's own. */
  readonly file?: string;
  /** True for a person's own that takes the place of a shipped one. */
  readonly replaces?: boolean;
}

/** All presets: the shipped ones, and a person's own in `<config dir>/presets`. */
export interface Presets {
  readonly byName: ReadonlyMap<string, Preset>;
  /** Mistakes in a person's own. */
  readonly mistakes: readonly PresetMistake[];
}

export interface PresetMistake {
  /** Absent: it concerns the whole folder. */
  readonly name?: string;
  readonly file: string;
  /** Begins with the line, where it is known. */
  readonly message: string;
}

/** Makes a preset of a file's content. Throws AuthdError `invalid_params` that names the key. */
export function parsePreset(name: string, table: Table): Preset {
  const { fields, ...content } = parseWith(presetSchema, table);
  return {
    ...content,
    name,
    fields: Object.entries(fields).map(([name, field]) => ({ name, ...field })),
  };
}

/** Throws AuthdError `invalid_params` for a name that is no preset, or one whose file has a mistake. */
export function presetNamed(name: string, { byName, mistakes }: Presets): Preset {
  const preset = byName.get(name);
  const mistake = mistakes.find((each) => each.name === name || (!preset && !each.name));
  if (mistake) {
    const where = `${mistake.file}${/^line \d/.test(mistake.message) ? ", " : ": "}`;
    throw new AuthdError(
      "invalid_params",
      `preset "${name}" can't be used until its file is mended: ${where}${mistake.message}`,
    );
  }
  if (preset) return preset;
  const names = [...byName.keys()];
  const hint = didYouMean(name, names) || ` Presets: ${names.join(", ")}.`;
  throw new AuthdError("invalid_params", `There is no preset "${name}".${hint}`);
}
