import type { Preset, PresetField } from "../config/preset.ts";
import { settingsRows } from "./settings-rows.ts";
import { type Paint, plain } from "./style.ts";
import { table } from "./table.ts";

/** Formats presets as lines, one each; those of a person's own are marked. */
export function presetTable(presets: readonly Preset[]): string[] {
  if (presets.length === 0) return [];
  const rows = presets.map((preset) => [
    preset.name,
    plain(preset.title),
    preset.grant,
    ownership(preset),
  ]);
  return table([["NAME", "API", "GRANT", ""], ...rows]);
}

function ownership({ file, replaces }: Preset): string {
  if (file === undefined) return "";
  return replaces ? "yours, in place of the shipped one" : "yours";
}

/** Formats everything about one preset as lines, with the command that uses it. */
export function presetSheet(preset: Preset, paint: Paint): string[] {
  const { name, title, grant, keys, fields, settings, register, file } = preset;
  const rows = [
    ["preset", name, ownership(preset)],
    ["grant", grant],
    ["keys", [keys.hint, keys.url].filter(Boolean).join(" ")],
    ["file", file ?? "shipped"],
    ...fields.map((field, index) => [index === 0 ? "asks for" : "", fieldLine(field)]),
    ["origins", [settings.origins ?? []].flat().join(", ") || "none"],
    ...settingsRows({ settings }),
    ...(register ? [["register", register.url]] : []),
  ].map(([label = "", value = "", more = ""]) => [
    paint("dim", label),
    plain([value, more].filter(Boolean).join(", ")),
  ]);
  return [
    paint("bold", plain(title)),
    ...table(rows).map((line) => `  ${line}`),
    `  ${paint("bold", "Next:")} authd add ${name} --preset ${name}`,
  ];
}

function fieldLine({ name, label, hint, secret, optional, choices, ...rest }: PresetField): string {
  const about = [
    secret && "a secret",
    optional && "optional",
    choices && `one of ${Object.keys(choices).join(", ")}`,
    rest.default !== undefined && `otherwise ${rest.default}`,
  ].filter((part) => part);
  const more = about.length > 0 ? ` (${about.join("; ")})` : "";
  return `${name}: ${label}${more}${hint === undefined ? "" : `. ${hint}`}`;
}
