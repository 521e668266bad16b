/** Checks credentials, and the files that describe them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { configDir, loadConfiguration, readPresets } from "../../config/config.ts";
import {
  REMEDIES,
  refreshTokenRemedy,
  refreshTokenWarning,
  remedyOf,
  secretWarning,
} from "../../observe/problems.ts";
import type { CredentialInfo, Trouble } from "../../protocol.ts";
import { appearance, STATES } from "../credentials.ts";
import { fromNow } from "../times.ts";
import { type Check, type Finding, ok, problem, unknown, warning } from "./finding.ts";

/** Checks that every configuration file can be read. */
export const checkConfiguration: Check = ({ env, isElsewhere }) => {
  if (isElsewhere) return [];
  const dir = configDir(env);
  // It throws for a mistake in config.toml.
  const { credentials, errors } = loadConfiguration({ dir, env });
  const file = join(dir, "config.toml");
  const config = existsSync(file) ? [ok("config.toml", `${file}: no mistake`)] : [];
  config.push(...replacedPresets(dir));
  if (errors.length === 0)
    return [...config, ok("files", `${credentials.size} credential files, all readable`)];
  const broken = errors.map(({ file, message }) =>
    problem(
      "files",
      message.includes(file) ? message : `${file}: ${message}`,
      "mend it, then authd reload",
    ),
  );
  return [...config, ...broken];
};

/** Tells of a person's own presets that take the place of shipped ones. */
function replacedPresets(dir: string): Finding[] {
  return [...readPresets(dir).byName.values()].flatMap(({ name, file, replaces }) =>
    replaces
      ? [
          warning(
            "presets",
            `${file} takes the place of the preset ${name} that authd ships`,
            "rename it, unless that is what you want",
          ),
        ]
      : [],
  );
}

/** Checks the state of each credential, the end of its secret, and its rules. */
export const checkCredentials: Check = ({ credentials, now }) =>
  credentials.flatMap((info) => [
    ...checkState(info, now),
    ...(info.troubles ?? []).map((trouble) => troubleOf(info.name, trouble)),
    ...(info.notes ?? []).map(({ message, help }) => ok(info.name, `${message} → ${help}`)),
    ...checkExpiry(info, now),
    ...(info.policy?.warnings ?? []).map((text) => warning(info.name, text, RULE_FIX)),
  ]);

const RULE_FIX =
  "name an installed program that is no script, or a unit, in the credential's file; then authd reload";

function checkState(info: CredentialInfo, now: number): Finding[] {
  const { name, state, lastError } = info;
  const { words, style } = STATES[state];
  const why = lastError ? `: ${lastError.message}` : "";
  // A locked vault is a finding of its own, once for all of them.
  if (state === "locked") return [];
  if (style === "red") return [problem(name, `${words}${why}`, remedyOf(info, state))];
  const again = info.retryAt === undefined ? "" : `, next try ${fromNow(info.retryAt, now)}`;
  if (state === "failing") return [warning(name, `failing${why}${again}`)];
  if (appearance(info, now).style === "red") return [];
  if (info.untested) {
    return [unknown(name, "nothing has used its token since it was entered", `authd test ${name}`)];
  }
  const isUntried = state === "idle" && info.refreshCount === 0;
  return [
    isUntried ? unknown(name, "no token was asked for yet", `authd test ${name}`) : ok(name, words),
  ];
}

/** Reports a fault: a token whose lifetime is uncertain still works. */
function troubleOf(name: string, { reason, message, help }: Trouble): Finding {
  return (reason === "lifetime" ? warning : problem)(name, message, help);
}

function checkExpiry(info: CredentialInfo, now: number): Finding[] {
  const secret = secretWarning(info, now);
  const refreshToken = refreshTokenWarning(info, now);
  const level = secret?.over ? problem : warning;
  return [
    ...(secret ? [level(info.name, secret.text, REMEDIES.secret_expires(info.name))] : []),
    ...(refreshToken ? [warning(info.name, refreshToken, refreshTokenRemedy(info))] : []),
  ];
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
