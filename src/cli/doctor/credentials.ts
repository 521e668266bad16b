/** Checks credentials, and the files that describe them. */
import { configDir, loadConfiguration } from "../../config/config.ts";
import { REMEDIES, secretWarning } from "../../observe/problems.ts";
import type { CredentialInfo } from "../../protocol.ts";
import { STATES } from "../credentials.ts";
import { fromNow } from "../times.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";

/** Checks that every configuration file can be read. */
export const checkConfiguration: Check = ({ env, isElsewhere }) => {
  if (isElsewhere) return [];
  const { credentials, errors } = loadConfiguration({ dir: configDir(env), env });
  if (errors.length === 0)
    return [ok("files", `${credentials.size} credential files, all readable`)];
  return errors.map(({ file, message }) =>
    problem(
      "files",
      message.includes(file) ? message : `${file}: ${message}`,
      "mend it, then authd reload",
    ),
  );
};

/** Checks the state of each credential, the end of its secret, and its rules. */
export const checkCredentials: Check = ({ credentials, now }) =>
  credentials.flatMap((info) => [
    checkState(info, now),
    ...checkExpiry(info, now),
    ...(info.policy?.warnings ?? []).map((text) => warning(info.name, text, RULE_FIX)),
  ]);

const RULE_FIX =
  "name an installed program that is no script, or a unit, in the credential's file; then authd reload";

function checkState(info: CredentialInfo, now: number): Finding {
  const { name, state, lastError } = info;
  const { words, style, next } = STATES[state];
  const why = lastError ? `: ${lastError.message}` : "";
  if (style === "red") return problem(name, `${words}${why}`, next?.(name));
  if (state !== "failing") return ok(name, words);
  const again = info.retryAt === undefined ? "" : `, next try ${fromNow(info.retryAt, now)}`;
  return warning(name, `failing${why}${again}`);
}

function checkExpiry(info: CredentialInfo, now: number): Finding[] {
  const secret = secretWarning(info, now);
  if (!secret) return [];
  const level = secret.over ? problem : warning;
  return [level(info.name, secret.text, REMEDIES.secret_expires(info.name))];
}

/** Reports where a person is asked, if any credential wants one to confirm its use. */
export const checkApprovals: Check = ({ daemon, credentials }) => {
  const asking = credentials.filter(({ policy }) => policy?.confirm !== undefined);
  if (!daemon?.approvals || asking.length === 0) return [];
  const which = asking.map(({ name }) => name).join(", ");
  const limit = daemon.vaultKey === "passphrase" ? "" : WITHOUT_PASSPHRASE;
  return [ok("approvals", `${which}: ${PLACES[daemon.approvals]}${limit}`)];
};

const WITHOUT_PASSPHRASE =
  ". Without a passphrase of the vault, a program of yours that gets itself a terminal can answer, too";

const PLACES = {
  desktop: "a dialog on the desktop asks you",
  terminal: "no dialog; authd approve asks you, in a terminal",
} as const;
