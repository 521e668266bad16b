import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import type { SecretField } from "../grants/grant.ts";
import { callDaemon } from "./call-daemon.ts";
import { announce } from "./print-result.ts";
import { interactive } from "./prompts.ts";
import { secretsFrom } from "./secrets-input.ts";
import { parseSettings } from "./settings-input.ts";

interface SetOptions {
  set?: string[];
  secretsFrom?: string;
  force?: boolean;
  discard?: boolean;
}

export function define(command: Command): void {
  const list = (value: string, all: string[] = []) => [...all, value];
  command
    .argument("<name>", "the credential")
    .option("--set <key=value>", "a setting; may be repeated, nested keys are dotted", list)
    .option("--secrets-from <file>", "secrets as a JSON object, out of a file or - for a pipe")
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
];

async function set(name: string, options: SetOptions): Promise<void> {
  // Before any question: it may not exist, and the daemon may not be there.
  await callDaemon("credentials/show", { credential: name });
  const fields = await secretsKnown(name);
  const settings = parseSettings(
    options.set ?? [],
    fields.map((field) => field.name),
  );
  const secrets = await secretsOf(name, fields, options);
  const { force, discard } = options;
  const isChange = options.set !== undefined || Object.keys(secrets).length > 0;
  if (!isChange && !force && !discard) {
    throw new AuthdError(
      "invalid_params",
      `${name}: nothing to change; give --set key=value or --secrets-from FILE`,
    );
  }
  const more = { ...(force && { force }), ...(discard && { discard }) };
  const params = { credential: name, settings, secrets, ...more };
  announce(await callDaemon("credentials/set", params), "is changed", [`authd test ${name}`]);
}

async function secretsOf(
  name: string,
  fields: readonly SecretField[],
  { set, secretsFrom: source, force, discard }: SetOptions,
): Promise<Record<string, string>> {
  if (source !== undefined) return secretsFrom(source);
  if (set !== undefined || force || discard || !interactive()) return {};
  if (fields.length === 0) {
    throw new AuthdError("invalid_params", `${name}: its file can't be read; see authd doctor`);
  }
  const { askSecrets } = await import("./questions.ts");
  return askSecrets(fields, () => "as it is");
}

/** The secrets of an existing credential; none if its file is broken, which the daemon will tell. */
async function secretsKnown(name: string): Promise<readonly SecretField[]> {
  const { configDir, loadConfiguration } = await import("../config/config.ts");
  const { env } = process;
  const configuration = loadConfiguration({ dir: configDir(env), env });
  return configuration.credentials.get(name)?.secrets ?? [];
}
