import { assertStrong } from "../passphrase-strength.ts";
import { acceptable, derive, MOST_N, newParameters } from "../scrypt.ts";
import { type KeyContext, type KeyProvider, locked } from "./key-source.ts";
import { readCredential } from "./systemd-credential.ts";

/** Derives the key by scrypt from a passphrase that a person types, or that systemd hands to the service. */
export const passphraseKey = {
  async create(context) {
    const { passphrase: given } = context;
    const passphrase = given ?? (await passphraseFor(context, true));
    assertStrong(passphrase, given === undefined ? "vault_locked" : "invalid_params");
    const parameters = newParameters();
    return { key: await derive(passphrase, parameters), scrypt: parameters };
  },
  async load(context, parameters) {
    if (!parameters || !acceptable(parameters, MOST_N.vault)) {
      throw locked(
        `The scrypt parameters in ${context.dir}/vault.json are damaged. Put vault.json back from a backup`,
      );
    }
    return derive(context.passphrase ?? (await passphraseFor(context, false)), parameters);
  },
} as const satisfies KeyProvider;

const CREDENTIAL = "authd-passphrase";

async function passphraseFor(context: KeyContext, isNew: boolean): Promise<string> {
  const given = readCredential(context.env, CREDENTIAL)
    ?.toString()
    .replace(/\r?\n$/, "");
  const passphrase = given ?? (await context.askPassphrase({ isNew }));
  if (passphrase) return passphrase;
  throw locked(
    "The vault is sealed with a passphrase, and none was given. Run authd unlock, which asks " +
      `for it, or hand it to the service with LoadCredentialEncrypted=${CREDENTIAL} in its unit`,
  );
}
