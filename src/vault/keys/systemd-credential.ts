import { readFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import { codeOf } from "../atomic-write.ts";
import { type KeyContext, type KeyKeeper, locked, parseKey } from "./key-source.ts";

/** 32 bytes, raw or as base64 or hex text, that systemd hands to the service: systemd.exec(5), CREDENTIALS. */
const NAME = "authd-vault-key";

export const systemdCredentialKey = {
  async create(context) {
    return { key: read(context) };
  },
  async load(context) {
    return read(context);
  },
} as const satisfies KeyKeeper;

function read({ env }: KeyContext): Buffer {
  const bytes = readCredential(env, NAME);
  if (!bytes) {
    throw locked(
      `The vault's key comes from the systemd credential ${NAME}, which this process was not ` +
        `given. Start authd as a service with LoadCredentialEncrypted=${NAME} in its unit`,
    );
  }
  const key = parseKey(bytes);
  bytes.fill(0);
  if (!key) {
    throw locked(
      `The systemd credential ${NAME} holds no key. It must be 32 bytes, raw or as base64 or hex ` +
        `text. Make one with: head -c 32 /dev/urandom | systemd-creds encrypt --name=${NAME} - FILE`,
    );
  }
  return key;
}

/** One file of $CREDENTIALS_DIRECTORY; undefined if there is none. */
export function readCredential(env: NodeJS.ProcessEnv, name: string): Buffer | undefined {
  const folder = env.CREDENTIALS_DIRECTORY;
  if (!folder) return undefined;
  try {
    return readFileSync(join(folder, name));
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw locked(`The systemd credential ${name} can't be read: ${messageOf(cause)}`, cause);
  }
}
