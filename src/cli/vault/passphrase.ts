import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { protectTypedSecrets } from "../../base/core-dump.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import { assertStrong, weaknessOf } from "../../vault/passphrase-strength.ts";
import { askSecret, interactive } from "../prompts.ts";

export interface PassphraseOptions {
  /** A file, or - for standard input. */
  passphraseFrom?: string;
}

/** Reads a passphrase from a file or a pipe, without its last line feed, or from a terminal; twice if it `isNew`. */
export async function passphraseOf(
  { passphraseFrom }: PassphraseOptions,
  { label, isNew }: { label: string; isNew: boolean },
): Promise<string> {
  protectTypedSecrets();
  if (passphraseFrom !== undefined) {
    const given = checked((await read(passphraseFrom)).replace(/\r?\n$/, ""));
    if (isNew) assertStrong(given);
    return given;
  }
  if (!interactive()) {
    throw new AuthdError(
      "invalid_params",
      "There is no terminal to ask for the passphrase on: give --passphrase-from FILE, or - for a pipe",
    );
  }
  const first = await askSecret({ label, ...(isNew && { check: weaknessOf }) });
  if (!isNew) return first ?? "";
  if ((await askSecret({ label: "The same once more" })) === first) return first ?? "";
  throw new AuthdError(
    "invalid_params",
    "These were two different passphrases; nothing was changed",
  );
}

async function read(source: string): Promise<string> {
  if (source === "-") return await text(process.stdin);
  try {
    return await readFile(source, "utf8");
  } catch (error) {
    throw new AuthdError("invalid_params", `--passphrase-from: ${messageOf(error)}`);
  }
}

function checked(passphrase: string): string {
  if (passphrase === "") throw new AuthdError("invalid_params", "The passphrase is empty");
  if (!passphrase.includes("\n")) return passphrase;
  throw new AuthdError("invalid_params", "The passphrase must be one line");
}
