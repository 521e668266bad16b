/** Keeps the vault's key as an encrypted credential of systemd (systemd-creds(1)). */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "../../base/make-folder.ts";

export const SEALED_KEY = "/etc/credstore.encrypted/authd-vault-key";

export const hasSealedKey = () => existsSync(SEALED_KEY);

/** Makes and seals a new key for this machine. Returns why that is not possible here, or undefined. */
export function sealNewKey(env: NodeJS.ProcessEnv): string | undefined {
  makeFolder(dirname(SEALED_KEY), 0o700);
  const key = Buffer.from(randomBytes(32).toString("base64"));
  const args = ["encrypt", "--name=authd-vault-key", "-", SEALED_KEY];
  const { status, error, stderr } = spawnSync("systemd-creds", args, {
    ...{ env, input: key, encoding: "utf8", timeout: 60_000 },
  });
  key.fill(0);
  if (status === 0) return undefined;
  // A key that can't be decrypted here is of no use.
  rmSync(SEALED_KEY, { force: true });
  return error
    ? "there is no systemd-creds"
    : stderr.trim() || `systemd-creds ended with ${status}`;
}
