/** Checks the files that the daemon keeps: the vault, and the audit log. */
import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { stateDir } from "../../config/directories.ts";
import { errorCode, messageOf } from "../../errors.ts";
import type { CredentialInfo, Unsaved } from "../../protocol.ts";
import { readHeader } from "../../vault/header.ts";
import { keyProviders } from "../../vault/keys/index.ts";
import { callDaemon } from "../call-daemon.ts";
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

/** Checks that the disk takes what the daemon has to keep, and that it holds all of it. */
export const checkDisk: Check = (context) => {
  const { daemon, credentials, now } = context;
  const unsavedOnes = credentials.flatMap(({ name, unsaved }) =>
    unsaved ? [unsavedFinding(name, unsaved, now)] : [],
  );
  const room = roomFinding(context);
  if (unsavedOnes.length > 0 || room?.level === "problem") {
    return [...(room ? [room] : []), ...unsavedOnes];
  }
  const sealed = daemon ? [ok("disk", "all that the daemon holds is sealed")] : [];
  return [...sealed, ...(room ? [room] : [])];
};

/** Bytes free under which the vault and the audit log soon can't be written. */
const LOW_BYTES = 16 * 1024 * 1024;

/** Looks at the disk that the vault and the audit log are on; undefined: it can't be told from here. */
function roomFinding({ env, isElsewhere }: DoctorContext): Finding | undefined {
  const dir = stateDir(env);
  if (isElsewhere || !existsSync(dir)) return undefined;
  try {
    accessSync(dir, constants.W_OK);
  } catch (error) {
    const fix = "make it writable: nothing can be sealed or written to the audit log";
    return problem("disk", `${dir} can't be written to (${errorCode(error)})`, fix);
  }
  const { bavail, bsize } = statfsSync(dir);
  const free = bavail * bsize;
  const room = `${Math.round(free / 1024 / 1024)} MiB free at ${dir}`;
  return free < LOW_BYTES ? problem("disk", room, "make room on that disk") : ok("disk", room);
}

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

/** Tells of a store that refuses this host, or can't be reached. */
export const checkStore: Check = async ({ daemon }) => {
  if (!daemon) return [];
  const found = (daemon.problems ?? []).filter(
    ({ reason, credential }) => reason === "store" && credential === undefined,
  );
  if (found.length > 0) return found.map(({ message, help }) => problem("store", message, help));
  // Refused where this host shares none, at another user's daemon, and by an earlier authd.
  const status = await callDaemon("fleet/status", {}, 10_000).catch(() => undefined);
  if (!status) return [];
  const { url, host, problem: why } = status;
  const next = "look at its server, or its folder; what this host has is served meanwhile";
  if (why !== undefined) return [warning("store", why, next)];
  return [ok("store", `${url}, where this host is ${host}`)];
};
