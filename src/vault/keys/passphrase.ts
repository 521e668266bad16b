import { randomBytes, scrypt } from "node:crypto";
import {
  KEY_BYTES,
  type KeyContext,
  type KeyKeeper,
  locked,
  type ScryptParameters,
} from "./key-source.ts";
import { readCredential } from "./systemd-credential.ts";

/** A passphrase that a person types, or that systemd hands to the service, through scrypt. */
export const passphraseKey = {
  async create(context) {
    const passphrase = await passphraseFor(context, true);
    const parameters = { ...COST, salt: randomBytes(16).toString("base64") };
    return { key: await derive(passphrase, parameters), scrypt: parameters };
  },
  async load(context, parameters) {
    if (!parameters || !acceptable(parameters)) {
      throw locked(
        `The scrypt parameters in ${context.dir}/vault.json are damaged. Put vault.json back from a backup`,
      );
    }
    return derive(await passphraseFor(context, false), parameters);
  },
} as const satisfies KeyKeeper;

const CREDENTIAL = "authd-passphrase";
/** 128 MiB and some tenths of a second for each guess. */
const COST = { N: 2 ** 17, r: 8, p: 1 };

/** vault.json isn't authenticated before the key is known: an edited one must not eat the memory. */
const acceptable = ({ N, r, p }: ScryptParameters) =>
  N >= 2 ** 14 && N <= 2 ** 20 && Number.isInteger(Math.log2(N)) && r === 8 && p >= 1 && p <= 4;

async function passphraseFor(context: KeyContext, isNew: boolean): Promise<string> {
  const given = readCredential(context.env, CREDENTIAL)
    ?.toString()
    .replace(/\r?\n$/, "");
  const passphrase = given ?? (await context.askPassphrase({ isNew }));
  if (passphrase) return passphrase;
  throw locked(
    "The vault is sealed with a passphrase, and none was given. Run authd serve on a terminal, " +
      `which asks for it, or hand it to the service with LoadCredentialEncrypted=${CREDENTIAL} in its unit`,
  );
}

/** Off the main thread. The same text typed on another system may be composed in another way: NFC. */
function derive(passphrase: string, { N, r, p, salt }: ScryptParameters): Promise<Buffer> {
  // Node refuses more than 32 MiB unless told; scrypt needs a little more than 128 * N * r.
  const options = { N, r, p, maxmem: 2 * 128 * N * r };
  return new Promise((done, failed) => {
    const bytes = Buffer.from(salt, "base64");
    scrypt(passphrase.normalize("NFC"), bytes, KEY_BYTES, options, (error, key) =>
      error ? failed(locked(`scrypt failed: ${error.message}`)) : done(key),
    );
  });
}
