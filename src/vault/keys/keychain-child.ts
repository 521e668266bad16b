/**
 * A process of its own for one call into the keychain, which may block for ever: see keychain.ts.
 * A KeychainRequest comes on stdin, a KeychainAnswer goes to stdout, both JSON.
 */
import { text } from "node:stream/consumers";
import { messageOf } from "../../errors.ts";

/** With `secret` the entry is made, with `forget` deleted, otherwise read. The service is always "authd". */
export interface KeychainRequest {
  account: string;
  secret?: string;
  forget?: boolean;
}

/** Neither member: there is no such entry. */
export interface KeychainAnswer {
  secret?: string;
  problem?: string;
}

/** If the daemon is killed in the meantime, nobody else ends this process. */
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
  // Left alone, it falls back to the kernel's keyring on Linux, which a reboot empties.
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
