import { configDir, readPresets } from "../config/config.ts";
import { type Preset, type Presets, presetNamed } from "../config/preset.ts";

/** Reads the presets that a command here can name: the shipped ones, and the person's own. */
export function knownPresets(): Presets {
  return readPresets(configDir(process.env));
}

/** Throws AuthdError `invalid_params` for a name that is no preset, or one whose file has a mistake. */
export function knownPreset(name: string): Preset {
  return presetNamed(name, knownPresets());
}
