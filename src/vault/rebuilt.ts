import type { Manifest, ManifestFinding } from "./manifest.ts";

/** A manifest that was made from the sealed files, as the vault's owner is told of it. */
export interface Rebuilt {
  message: string;
  /** False for a vault from before there were manifests: nothing was lost. */
  isSuspect: boolean;
}

/** Undefined if the manifest was sound, or the vault is new. `names` have a sealed file. */
export function rebuilt(
  finding: ManifestFinding,
  names: readonly string[],
  manifest: Manifest,
): Rebuilt | undefined {
  if (finding.is === "sound") return undefined;
  if (finding.is === "unusable") return suspect(finding.why);
  if (names.length === 0) return undefined;
  if (names.some((name) => manifest.generationOf(name) > 0)) return suspect("is missing");
  return {
    message: "The vault has a manifest now: older sealed files are refused",
    isSuspect: false,
  };
}

function suspect(why: string): Rebuilt {
  return {
    message:
      `The vault's manifest ${why}: it was made again from the sealed files as they are. ` +
      "Older ones that were put in their place before this start can't be told",
    isSuspect: true,
  };
}
