/** Checks the files that the daemon keeps: the vault, and the audit log. */
import { join } from "node:path";
import { stateDir } from "../../config/directories.ts";
import { messageOf } from "../../errors.ts";
import type { CredentialInfo, Unsaved } from "../../protocol.ts";
import { readHeader } from "../../vault/header.ts";
import { keyProviders } from "../../vault/keys/index.ts";
import { AT_RISK } from "../credentials.ts";
import { duration } from "../times.ts";
import { type Check, type DoctorContext, type Finding, ok, problem, warning } from "./finding.ts";

/** Checks the vault's key, its manifest (which tells older copies of its files) and its automatic lock. */
export const checkVault: Check = async (context) => [
  ...(await checkKey(context)),
  ...checkManifest(context),
  ...checkLock(context),
];

const checkKey: Check = async ({ env, daemon, credentials, isElsewhere }) => {
  // An older daemon has no `lock` in its status: the state of its credentials tells.
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

function checkManifest({ daemon }: DoctorContext): Finding[] {
  const lost = (daemon?.problems ?? []).filter(({ reason }) => reason === "manifest");
  return lost.map(({ message, help }) => problem("vault manifest", message, help));
}

function checkLock({ daemon }: DoctorContext): Finding[] {
  const { problem: noTimeout, on = [] } = daemon?.lock ?? {};
  const failures = on.flatMap(({ event, error }) => (error === undefined ? [] : { event, error }));
  return [
    ...(noTimeout === undefined ? [] : [warning("lock_after", noTimeout)]),
    ...failures.map(({ event, error }) => warning(`lock_on ${event}`, error, LOGIND_FIX)),
  ];
}

const LOGIND_FIX = "lock_on takes systemd-logind, gdbus (libglib2.0-bin) and systemd-inhibit";

const HOW_TO_UNLOCK = {
  passphrase: "authd unlock",
  "systemd-credential": "give it to the service with LoadCredentialEncrypted=authd-vault-key",
} as const;

/** Checks that everything the daemon has to keep is on the disk. */
export const checkUnsaved: Check = ({ daemon, credentials, now }) => {
  const unsavedOnes = credentials.flatMap(({ name, unsaved }) =>
    unsaved ? [unsavedFinding(name, unsaved, now)] : [],
  );
  if (unsavedOnes.length > 0 || !daemon) return unsavedOnes;
  return [ok("disk", "all that the daemon holds is sealed")];
};

function unsavedFinding(name: CredentialInfo["name"], unsaved: Unsaved, now: number): Finding {
  const { atRisk, since, message } = unsaved;
  const what = `for ${duration(now - since)}; ${AT_RISK[atRisk]}: ${message}`;
  return problem(name, `in memory only ${what}`, "mend the disk, and do not end authd before that");
}

/** Checks that the audit log can be written. */
export const checkAudit: Check = ({ daemon }) => {
  if (!daemon) return [];
  const found = (daemon.problems ?? []).filter(({ reason }) => reason === "audit");
  if (found.length === 0) return [ok("audit log", "nothing stands in its way")];
  return found.map(({ message, help }) => problem("audit log", message, help));
};
