import { join } from "node:path";
import { stateDir } from "../../config/directories.ts";
import { messageOf } from "../../errors.ts";
import { readHeader } from "../../vault/header.ts";
import { keyKeepers } from "../../vault/keys/index.ts";
import { type Check, ok, problem } from "./finding.ts";

/** Can the vault's key be had? */
export const checkVault: Check = async ({ env, daemon, credentials }) => {
  const dir = join(stateDir(env), "vault");
  const header = readHeader(dir);
  if (!header) return [ok("vault key", "chosen when the daemon starts for the first time")];
  const { keySource, keyId } = header;
  const locked = credentials.find(({ state }) => state === "locked");
  if (daemon && !locked) return [ok("vault key", `${daemon.vaultKey}; the daemon has it`)];
  if (keySource !== "keychain" && keySource !== "file") {
    if (!locked) return [ok("vault key", `${keySource}: asked for when the daemon starts`)];
    const why = locked.lastError?.message ?? "the daemon could not get it";
    return [problem("vault key", `${keySource}: ${why}`, HOW_TO_UNLOCK[keySource])];
  }
  try {
    const askPassphrase = async () => undefined;
    const key = await keyKeepers[keySource].load({ dir, keyId, env, askPassphrase });
    key.fill(0);
    return [ok("vault key", keySource)];
  } catch (error) {
    return [problem("vault key", messageOf(error))];
  }
};

const HOW_TO_UNLOCK = {
  passphrase: "authd serve in a terminal asks for it",
  "systemd-credential": "give it to the service with LoadCredentialEncrypted=authd-vault-key",
} as const;
