import type { RekeyResult } from "../../protocol.ts";
import { callDaemon } from "../call-daemon.ts";
import { print } from "../output.ts";
import { plain } from "../style.ts";
import { type PassphraseOptions, passphraseOf } from "./passphrase.ts";
import { count, warn } from "./words.ts";

type Source = "keychain" | "passphrase" | "systemd-credential" | "file";

interface RekeyOptions extends PassphraseOptions {
  to: Source;
}

/** Sealing 10,000 records again takes a slow disk some minutes. */
const REKEY_TIMEOUT_MS = 3_600_000;

/** Runs `authd vault rekey --to SOURCE`. */
export async function rekey({ to, ...options }: RekeyOptions): Promise<void> {
  // Checks first that a daemon answers, so that nobody types a passphrase in vain.
  await callDaemon("status", {});
  const label = "The vault's new passphrase";
  const given =
    to === "passphrase" ? { passphrase: await passphraseOf(options, { label, isNew: true }) } : {};
  tell(await callDaemon("vault/rekey", { to, ...given }, REKEY_TIMEOUT_MS), to);
}

function tell({ sealed, damaged, vaultKey }: RekeyResult, to: Source): void {
  print(`${count(sealed, "record")} sealed with a new key; its source is: ${plain(vaultKey)}.`);
  const next = NEXT[to];
  if (next) print(next);
  for (const name of damaged)
    warn(`${name}: it could not be opened before either, and is as it was`);
}

const NEXT: Readonly<Partial<Record<Source, string>>> = {
  passphrase:
    "authd asks for the passphrase when it starts on a terminal; a service needs it in LoadCredentialEncrypted=authd-passphrase.",
  "systemd-credential":
    "If the key came as authd-vault-key-new, hand it over as authd-vault-key from the next start on.",
  file: "Whoever gets hold of the file vault/key and of the sealed files can open them.",
};
