import type { ExecutionContext } from "ava";
import { openVault, type VaultOptions } from "../../src/vault/index.ts";
import type { ManagedVault } from "../../src/vault/vault.ts";

/** What the tests of the vault seal. */
export interface Sample {
  secret: string;
}

export interface OpenedVault {
  vault: ManagedVault<Sample>;
  /** Every line that the vault logged. */
  log: string[];
}

/** A vault with a key file unless told otherwise; closed at the test's end. */
export async function openSample(
  t: ExecutionContext,
  dir: string,
  options: Partial<VaultOptions<Sample>> = {},
): Promise<OpenedVault> {
  const log: string[] = [];
  const note = (message: string) => void log.push(message);
  const vault = await openVault<Sample>({
    dir,
    keySource: "file",
    env: {},
    log: { info: note, warn: note },
    ...options,
  });
  t.teardown(() => vault.close());
  return { vault, log };
}
