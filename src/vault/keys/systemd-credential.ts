import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, messageOf } from "../../errors.ts";
import { type KeyProvider, locked, parseKey } from "./key-source.ts";

/** The credential with the key that systemd hands to the service, 32 bytes, raw or as text: systemd.exec(5), CREDENTIALS. */
const NAME = "authd-vault-key";
/** The credential with the next key, while one is being replaced: whichever fits the vault is its key. */
const NEXT = "authd-vault-key-new";

export const systemdCredentialKey = {
  async create({ env, isCurrentKey }) {
    return { key: (isCurrentKey && readKey(env, NEXT)) ?? requiredKey(env) };
  },
  async load({ env, isCurrentKey }) {
    const next = isCurrentKey && readKey(env, NEXT);
    return next && isCurrentKey(next) ? next : requiredKey(env);
  },
} as const satisfies KeyProvider;

function requiredKey(env: NodeJS.ProcessEnv): Buffer {
  const key = readKey(env, NAME);
  if (!key) {
    throw locked(
      `The vault's key comes from the systemd credential ${NAME}, which this process was not ` +
        `given. Start authd as a service with LoadCredentialEncrypted=${NAME} in its unit`,
    );
  }
  return key;
}

/** Reads a key; undefined if this process was given no credential of that name. */
function readKey(env: NodeJS.ProcessEnv, name: string): Buffer | undefined {
  const bytes = readCredential(env, name);
  if (!bytes) return undefined;
  const key = parseKey(bytes);
  bytes.fill(0);
  if (key) return key;
  throw locked(
    `The systemd credential ${name} holds no key. It must be 32 bytes, raw or as base64 or hex ` +
      `text. Make one with: head -c 32 /dev/urandom | systemd-creds encrypt --name=${name} - FILE`,
  );
}

/** Reads a file of $CREDENTIALS_DIRECTORY; undefined if there is none. */
export function readCredential(env: NodeJS.ProcessEnv, name: string): Buffer | undefined {
  const folder = env.CREDENTIALS_DIRECTORY;
  if (!folder) return undefined;
  try {
    return readFileSync(join(folder, name));
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw locked(`The systemd credential ${name} can't be read: ${messageOf(cause)}`, cause);
  }
}
