import type { Manifest, ManifestFinding } from "./manifest.ts";
import type { OpenKey } from "./vault-key.ts";

/** A manifest that was made from the sealed files, as the vault's owner is rebuilt of it. */
export interface Rebuilt {
  message: string;
  /** False for a vault from before there were manifests: nothing was lost. */
  isSuspect: boolean;
}

/** Loads the manifest, and completes it with the records that it lacks. */
export class ManifestLoader {
  readonly #manifest: Manifest;
  readonly #onRebuilt: (rebuilt: Rebuilt) => void;
  #isLoaded = false;
  #found: { finding: ManifestFinding; names: readonly string[] } | undefined;

  constructor(manifest: Manifest, onRebuilt: (rebuilt: Rebuilt) => void) {
    this.#manifest = manifest;
    this.#onRebuilt = onRebuilt;
  }

  /**
   * Reads the manifest's file the first time it is called: later the generations in memory count, also
   * after the vault was locked. `names` have a sealed file.
   */
  load(open: OpenKey, names: readonly string[]): void {
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    this.#found = { finding: this.#manifest.load(open), names };
  }

  /** Reads, once, each record that the manifest does not have; `readRecord` notes it there. */
  complete(readRecord: (name: string) => void): void {
    if (!this.#found) return;
    const { finding, names } = this.#found;
    this.#found = undefined;
    for (const name of names) {
      if (this.#manifest.has(name)) continue;
      try {
        readRecord(name);
      } catch {
        // A damaged record is reported where it is used.
      }
    }
    const rebuilt = rebuiltFrom(finding, names, this.#manifest);
    if (rebuilt) this.#onRebuilt(rebuilt);
  }
}

/** Returns undefined if the manifest was sound, or the vault is new. */
function rebuiltFrom(
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
      "Older ones that were put in their place before this start can't be rebuilt",
    isSuspect: true,
  };
}
