import { existsSync, linkSync, renameSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../base/atomic-write.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { errorCode, messageOf } from "../errors.ts";
import { quarantinePath } from "./names.ts";
import { MAX_FILE_BYTES, seal, unseal } from "./sealed-file.ts";
import type { OpenKey } from "./vault-key.ts";

/** The manifest's file in the vault's folder. */
export const MANIFEST = "manifest";
/** The name that the file is sealed for: no credential can be called that. */
const SEALED_AS = "THE MANIFEST";
const FORMAT = 1;

/** The facts that the manifest keeps of a name. */
export interface Known {
  /** Grows by one with each change that a person makes. */
  readonly generation: number;
  /** Programs are kept from the credential by rules. */
  readonly guarded?: true;
  /** A person has removed the credential. */
  readonly removed?: true;
}

/** The result of `load`: `why` follows "The vault's manifest ". */
export type ManifestFinding = { is: "sound" } | { is: "absent" } | { is: "unusable"; why: string };

/**
 * Keeps the generation of every name, in memory and in one sealed file: a sealed record of a lower
 * generation is an older copy. The file is JSON:
 * `{"format":1,"names":{"labelf":{"generation":3,"guarded":true},"zebbra":{"generation":5,"removed":true}}}`.
 */
export class Manifest {
  readonly #dir: string;
  readonly #known = new Map<string, Known>();
  /** Counts the changes to `#known`. */
  #version = 0;
  #savedVersion = 0;
  #saving: Promise<void> | undefined;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Reads the file, once in the life of the process. A file that is unusable is set aside. */
  load({ key, header }: OpenKey): ManifestFinding {
    const path = join(this.#dir, MANIFEST);
    try {
      const plaintext = unseal(key, header.keyId, SEALED_AS, readRegularFile(path, MAX_FILE_BYTES));
      for (const [name, known] of parse(plaintext.toString())) this.#known.set(name, known);
      return { is: "sound" };
    } catch (cause) {
      if (errorCode(cause) === "ENOENT") return { is: "absent" };
      const aside = quarantinePath(path);
      setAside(path, aside);
      return {
        is: "unusable",
        why: `could not be read (${messageOf(cause)}); it is kept as ${aside}`,
      };
    }
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** Returns 0 for a name that the manifest does not have. */
  generationOf(name: string): number {
    return this.#known.get(name)?.generation ?? 0;
  }

  /** True if a record of that name was sealed and not removed since, whatever became of its file. */
  isLive(name: string): boolean {
    const known = this.#known.get(name);
    return known !== undefined && !known.removed;
  }

  isGuarded(name: string): boolean {
    return this.#known.get(name)?.guarded === true;
  }

  /** Returns a name that programs are kept from, if there is one. */
  anyGuarded(): string | undefined {
    for (const [name, { guarded }] of this.#known) if (guarded) return name;
    return undefined;
  }

  note(name: string, known: Known): void {
    const before = this.#known.get(name);
    const isSame =
      before?.generation === known.generation &&
      before.guarded === known.guarded &&
      before.removed === known.removed;
    if (isSame) return;
    this.#known.set(name, known);
    this.#version++;
  }

  /** True if all that was noted is on the disk, and the file still there. */
  get isSaved(): boolean {
    if (this.#known.size === 0) return true;
    return this.#savedVersion === this.#version && existsSync(join(this.#dir, MANIFEST));
  }

  /** Resolves when all that was noted before the call is on the disk; calls at the same time share a write. */
  async save(open: OpenKey): Promise<void> {
    const wanted = this.#version;
    do {
      this.#saving ??= this.#write(open).finally(() => {
        this.#saving = undefined;
      });
      await this.#saving;
    } while (this.#savedVersion < wanted);
  }

  async #write(open: OpenKey): Promise<void> {
    const version = this.#version;
    await this.writeTo(this.#dir, open);
    this.#savedVersion = version;
  }

  /** Seals the manifest into a file in `dir`: for another key, in the folder of a rekey. */
  async writeTo(dir: string, { key, header }: OpenKey): Promise<void> {
    const content = { format: FORMAT, names: Object.fromEntries(this.#known) };
    const file = seal(key, header.keyId, SEALED_AS, Buffer.from(JSON.stringify(content)));
    await replaceFile(join(dir, MANIFEST), file, { sync: "folder" });
  }

  /** True while a write is under way. */
  get busy(): boolean {
    return this.#saving !== undefined;
  }

  /** Resolves when no write is under way. */
  async settled(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving.catch(() => {});
  }
}

/** Throws for content that this version did not write. */
function parse(text: string): [string, Known][] {
  const { format, names } = JSON.parse(text) as { format: number; names: Record<string, Known> };
  if (format !== FORMAT) throw new Error("it was made by a newer authd, so update authd");
  return Object.entries(names);
}

/** Keeps the file under another name, so that the next manifest does not overwrite it. */
function setAside(path: string, aside: string): void {
  try {
    linkSync(path, aside);
  } catch {
    try {
      renameSync(path, aside);
    } catch {
      // The next manifest takes its place.
    }
  }
}
