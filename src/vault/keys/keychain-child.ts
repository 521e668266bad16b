/**
 * Makes one call into the keychain, in a process of its own, as it may block for ever: see keychain.ts.
 * Reads a KeychainRequest from stdin and writes a KeychainAnswer to stdout, both JSON.
 */
import { text } from "node:stream/consumers";
import { messageOf } from "../../errors.ts";

/** Makes the entry with `secret`, deletes it with `forget`, otherwise reads it. The service is always "authd". */
export interface KeychainRequest {
  account: string;
  secret?: string;
  forget?: boolean;
}

/** Has neither member if there is no such entry. */
export interface KeychainAnswer {
  secret?: string;
  problem?: string;
}

/** Ends this process if the daemon was killed in the meantime: nobody else would. */
const OWN_LIMIT_MS = 5_000;
// process.exit would wait for the thread that hangs.
setTimeout(() => process.kill(process.pid, "SIGKILL"), OWN_LIMIT_MS).unref();

process.stdout.write(JSON.stringify(await answer()));

async function answer(): Promise<KeychainAnswer> {
  try {
    return await call(JSON.parse(await text(process.stdin)) as KeychainRequest);
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

async function call({ account, secret, forget }: KeychainRequest): Promise<KeychainAnswer> {
  const { AsyncEntry } = await import("@napi-rs/keyring");
  // Without this it falls back to the kernel's keyring on Linux, which a reboot empties.
  const entry = new AsyncEntry("authd", account, { linux: { store: "secret-service" } });
  if (forget) {
    await entry.deleteCredential();
    return {};
  }
  if (secret !== undefined) await entry.setPassword(secret);
  const kept = await entry.getPassword();
  if (secret !== undefined && kept !== secret) throw new Error("it did not keep the entry");
  return kept === null ? {} : { secret: kept };
}
