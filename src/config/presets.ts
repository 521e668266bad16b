/**
 * Reads presets: each is one TOML file and nothing else. The shipped ones stand in src/presets, a person's
 * own in `<config dir>/presets`, where the checks of credential files hold.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { packagePath } from "../base/package-path.ts";
import { AuthdError } from "../errors.ts";
import { assertUsablePreset } from "./check-preset.ts";
import { placed } from "./mistake.ts";
import { whyNotAName } from "./name.ts";
import { type Preset, type PresetMistake, type Presets, parsePreset } from "./preset.ts";
import { listSafeFolder } from "./safe-file.ts";
import { readTomlFile } from "./toml.ts";

const SHIPPED = packagePath("dist/src/presets");
const SUFFIX = ".toml";

/** Reads the presets that are shipped. */
export function shippedPresets(): Presets {
  const names = tomlNames(readdirSync(SHIPPED));
  const presets = names.map((name) => parsePreset(name, readTomlFile(fileIn(SHIPPED, name)) ?? {}));
  return { byName: byName(presets), mistakes: [] };
}

/** Reads the shipped presets and those of a configuration folder, of which each replaces a shipped one of its name. */
export function readPresets(configDir: string): Presets {
  const shipped = shippedPresets().byName;
  const presets = new Map(shipped);
  const mistakes: PresetMistake[] = [];
  const folder = join(configDir, "presets");
  const noting = (name: string | undefined, file: string, read: () => void) => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      const message = placed(error.message, file);
      mistakes.push(name === undefined ? { file, message } : { name, file, message });
    }
  };
  noting(undefined, folder, () => {
    for (const name of tomlNames(listSafeFolder(folder) ?? [])) {
      const file = fileIn(folder, name);
      noting(name, file, () => {
        presets.set(name, { ...readOwn(name, file), file, replaces: shipped.has(name) });
      });
    }
  });
  return { byName: byName(presets.values()), mistakes };
}

function readOwn(name: string, file: string): Preset {
  const why = whyNotAName(name);
  if (why !== undefined) {
    throw new AuthdError(
      "invalid_params",
      `The file's name can't be a preset's: ${why}. Rename it.`,
    );
  }
  const preset = parsePreset(name, readTomlFile(file) ?? {});
  assertUsablePreset(preset);
  return preset;
}

/** Hidden files are an editor's, and other endings are none of ours. */
function tomlNames(entries: readonly string[]): string[] {
  const files = entries.filter((entry) => entry.endsWith(SUFFIX) && !entry.startsWith("."));
  return files.map((file) => file.slice(0, -SUFFIX.length));
}

const fileIn = (folder: string, name: string) => join(folder, `${name}${SUFFIX}`);

function byName(presets: Iterable<Preset>): ReadonlyMap<string, Preset> {
  const sorted = [...presets].sort((one, other) => (one.name < other.name ? -1 : 1));
  return new Map(sorted.map((preset) => [preset.name, preset]));
}
