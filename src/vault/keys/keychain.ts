import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { packagePath } from "../../base/package-path.ts";
import { KEY_BYTES, type KeyContext, type KeyProvider, locked, parseKey } from "./key-source.ts";
import type { KeychainAnswer, KeychainRequest } from "./keychain-child.ts";

/** Keeps the key in an entry of the Secret Service, the macOS Keychain or the Windows Credential Manager. */
export const keychainKey = {
  async create(context) {
    const key = randomBytes(KEY_BYTES);
    const secret = key.toString("base64");
    await askKeychain(context, { account: context.keyId, secret });
    return { key };
  },
  async load(context) {
    const { secret } = await askKeychain(context, { account: context.keyId });
    const bytes = Buffer.from(secret ?? "");
    const key = parseKey(bytes);
    bytes.fill(0);
    if (key) return key;
    throw locked(
      `The keychain answers, but has no key for this vault (service authd, account ${context.keyId}). ` +
        "Put the entry back, or start authd as the user whose keychain holds it",
    );
  },
  async forget(context) {
    await askKeychain(context, { account: context.keyId, forget: true });
  },
} as const satisfies KeyProvider;

/** Limits (ms) a call: a locked keychain waits for a person at a prompt, where there may be nobody. */
const LIMIT_MS = 3_000;

/**
 * Calls the keychain in a process that can be killed: the call can't be cancelled otherwise. The key
 * passes through pipes, never through arguments or the environment.
 */
function askKeychain(context: KeyContext, request: KeychainRequest): Promise<KeychainAnswer> {
  const script = packagePath("dist/src/vault/keys/keychain-child.js");
  const { NODE_OPTIONS: _, ...env } = context.env;
  const child = spawn(process.execPath, [script], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  // It was killed before it read; `close` reports that.
  child.stdin.on("error", () => undefined).end(JSON.stringify(request));
  return new Promise((done, failed) => {
    child.on("error", (cause) => failed(unavailable(cause.message)));
    child.on("close", (_code, signal) => {
      const answer = parseAnswer(output);
      if (answer && answer.problem === undefined) done(answer);
      else failed(unavailable(answer?.problem ?? silence(signal)));
    });
  });
}

const silence = (signal: string | null) =>
  signal === "SIGKILL" ? `it did not answer within ${LIMIT_MS / 1000} s` : "the call failed";

function parseAnswer(output: string): KeychainAnswer | undefined {
  try {
    return JSON.parse(output) as KeychainAnswer;
  } catch {
    return undefined;
  }
}

const unavailable = (problem: string) =>
  locked(
    `The keychain can't be reached: ${problem}. Unlock it by logging in to the desktop session, ` +
      "or start its service",
  );
