import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { callDaemon } from "./call-daemon.ts";
import { notTold } from "./daemon-version.ts";
import { withSilentKeyboard } from "./keyboard.ts";
import { announce } from "./print-result.ts";
import { interactive } from "./prompts.ts";
import { secretFromPipe, secretsFrom } from "./secrets-input.ts";
import { parseSettings } from "./settings-input.ts";

interface SetOptions {
  set?: string[];
  unset?: string[];
  secretsFrom?: string;
  secret?: string;
  force?: boolean;
  discard?: boolean;
}

export function define(command: Command): void {
  const list = (value: string, all: string[] = []) => [...all, value];
  command
    .argument("<name>", "the credential")
    .option("--set <key=value>", "a setting; may be repeated, nested keys are dotted", list)
    .option("--unset <key>", "take a setting, or an optional secret, away; may be repeated", list)
    .option("--secrets-from <file>", "secrets as a JSON object, out of a file or - for a pipe")
    .option("--secret <name=->", "one secret, as it comes out of a pipe")
    .option(
      "--force",
      "put what is entered, or waits to be tried, in force without trying it first",
    )
    .option("--discard", "drop the secrets that wait to be tried")
    .action(set);
}

export const examples = [
  "authd set labelf                              asks for its secrets",
  "authd set labelf --set client_id=another",
  "authd set labelf --secrets-from secrets.json",
  "pass show labelf | authd set labelf --secret client_secret=-",
  "authd set labelf --unset confirm",
];

async function set(name: string, options: SetOptions): Promise<void> {
  // Before any question: it may not exist, and the daemon may not be there.
  const { file } = await callDaemon("credentials/show", { credential: name });
  // An older daemon would leave out what it does not know, and say that all is done.
  if (options.unset !== undefined && file === undefined) {
    throw await notTold(name, "its file");
  }
  const known = await settingsKnown(name);
  const settings = parseSettings(
    options.set ?? [],
    (known?.secrets ?? []).map((field) => field.name),
  );
  const secrets = await withSilentKeyboard(() => secretsOf(name, known, options));
  const { unset, force, discard } = options;
  const isChange = (options.set ?? unset) !== undefined || Object.keys(secrets).length > 0;
  if (!isChange && !force && !discard) {
    throw new AuthdError(
      "invalid_params",
      `${name}: nothing to change; give --set key=value, --unset key or --secrets-from FILE`,
    );
  }
  const params = omitUndefined({ credential: name, settings, secrets, unset, force, discard });
  announce(await callDaemon("credentials/set", params), "is changed", [`authd test ${name}`]);
}

async function secretsOf(
  name: string,
  known: CredentialSettings | undefined,
  { set, unset, secretsFrom: source, secret, force, discard }: SetOptions,
): Promise<Record<string, string>> {
  if (source !== undefined && secret !== undefined) {
    throw new AuthdError("invalid_params", "give --secrets-from or --secret, not both");
  }
  if (secret !== undefined) return secretFromPipe(secret);
  if (source !== undefined) return secretsFrom(source);
  if ((set ?? unset) !== undefined || force || discard || !interactive()) return {};
  if (!known) {
    throw new AuthdError("invalid_params", `${name}: its file can't be read; see authd doctor`);
  }
  const { askSecrets } = await import("./ask-secrets.ts");
  return askSecrets(known, () => "as it is");
}

/** The settings of an existing credential; undefined if its file is broken, which the daemon will tell. */
async function settingsKnown(name: string): Promise<CredentialSettings | undefined> {
  const { configDir, loadConfiguration } = await import("../config/config.ts");
  const { env } = process;
  return loadConfiguration({ dir: configDir(env), env }).credentials.get(name);
}
