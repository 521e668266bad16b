import { join } from "node:path";
import { stateDir } from "../../config/directories.ts";
import { messageOf } from "../../errors.ts";
import { readHeader } from "../../vault/header.ts";
import { keyProviders } from "../../vault/keys/index.ts";
import { type Check, type Finding, ok, type Patient, problem, warning } from "./finding.ts";

/** Can the vault's key be had, does it know older copies of its files, and does the vault lock itself as it is to? */
export const checkVault: Check = async (patient) => [
  ...(await checkKey(patient)),
  ...checkManifest(patient),
  ...checkLock(patient),
];

const checkKey: Check = async ({ env, daemon, credentials, isElsewhere }) => {
  // An older daemon tells of its credentials only.
  const waiting = credentials.find(({ state }) => state === "locked");
  const {
    since,
    locked = waiting !== undefined,
    why = waiting?.lastError?.message ?? "the daemon could not get it",
  } = daemon?.lock ?? {};
  if (since !== undefined) return [warning("vault key", why, "authd unlock")];
  if (daemon && !locked) return [ok("vault key", `${daemon.vaultKey}; the daemon has it`)];
  if (daemon && isElsewhere) return [problem("vault key", `${daemon.vaultKey}: ${why}`)];
  const dir = join(stateDir(env), "vault");
  const header = readHeader(dir);
  if (!header) return [ok("vault key", "chosen when the daemon starts for the first time")];
  const { keySource, keyId } = header;
  if (keySource !== "keychain" && keySource !== "file") {
    if (!locked) return [ok("vault key", `${keySource}: asked for when the daemon starts`)];
    return [problem("vault key", `${keySource}: ${why}`, HOW_TO_UNLOCK[keySource])];
  }
  try {
    const askPassphrase = async () => undefined;
    const key = await keyProviders[keySource].load({ dir, keyId, env, askPassphrase });
    key.fill(0);
    return [ok("vault key", keySource)];
  } catch (error) {
    return [problem("vault key", messageOf(error))];
  }
};

function checkManifest({ daemon }: Patient): Finding[] {
  const lost = (daemon?.problems ?? []).filter(({ reason }) => reason === "manifest");
  return lost.map(({ message, help }) => problem("vault manifest", message, help));
}

function checkLock({ daemon }: Patient): Finding[] {
  const { problem: unfit, on = [] } = daemon?.lock ?? {};
  const troubles = on.flatMap(({ event, error }) => (error === undefined ? [] : { event, error }));
  return [
    ...(unfit === undefined ? [] : [warning("lock_after", unfit)]),
    ...troubles.map(({ event, error }) => warning(`lock_on ${event}`, error, MEND_LOGIND)),
  ];
}

const MEND_LOGIND = "lock_on takes systemd-logind, gdbus (libglib2.0-bin) and systemd-inhibit";

const HOW_TO_UNLOCK = {
  passphrase: "authd unlock",
  "systemd-credential": "give it to the service with LoadCredentialEncrypted=authd-vault-key",
} as const;
