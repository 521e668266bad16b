import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import { callDaemon } from "./call-daemon.ts";
import { announce } from "./print-result.ts";
import { interactive } from "./prompts.ts";
import type { Kind } from "./questions.ts";
import { secretsFrom } from "./secrets-input.ts";
import { parseSettings, type SettingsInput } from "./settings-input.ts";

interface AddOptions {
  preset?: string;
  grant?: string;
  set?: string[];
  secretsFrom?: string;
  replace?: boolean;
  register?: boolean;
}

export function define(command: Command): void {
  const list = (value: string, all: string[] = []) => [...all, value];
  command
    .argument("<name>", "what you will call it: lower case, digits, dots, hyphens")
    .option("--preset <preset>", "an API that authd knows (labelf, zebbra, …)")
    .option("--grant <grant>", "how tokens are obtained, for any other API")
    .option("--set <key=value>", "a setting; may be repeated, nested keys are dotted", list)
    .option("--secrets-from <file>", "secrets as a JSON object, out of a file or - for a pipe")
    .option("--replace", "if there is one of that name already, replace it")
    .option("--register", "make the account first, where the API can (zebbra)")
    .action(add);
}

export const examples = [
  "authd add labelf --preset labelf",
  "authd add onestep --preset onestepai --set region=eu --secrets-from secrets.json",
  "pass show labelf | authd add labelf --preset labelf --set client_id=me --secrets-from -",
];

async function add(name: string, options: AddOptions): Promise<void> {
  const kind = await kindOf(options);
  const settings = parseSettings(options.set ?? []);
  const secrets = await secretsOf(name, kind, settings, options);
  const { replace, register } = options;
  const params = {
    name,
    ...kind,
    settings,
    secrets,
    ...(replace === undefined ? {} : { replace }),
    ...(register === undefined ? {} : { register }),
  };
  const info = await callDaemon("credentials/add", params).catch((error) =>
    tellIfKept(name, error),
  );
  announce(info, options.replace ? "is replaced" : "is added", [
    `authd get ${info.name}`,
    `authd test ${info.name}`,
  ]);
}

/** What the issuer refused is kept all the same: some APIs show a secret only once. */
async function tellIfKept(name: string, error: unknown): Promise<never> {
  if (!(error instanceof AuthdError) || error.reason !== "credential_rejected") throw error;
  const { state } = await callDaemon("credentials/show", { credential: name }).catch(() => ({
    state: "",
  }));
  if (state !== "rejected") throw error;
  const { reason, message, oauth } = error;
  const details = { credential: name, cause: error, ...(oauth && { oauth }) };
  throw new AuthdError(reason, `${name} is kept, but not accepted: ${message}`, details);
}

async function kindOf({ preset, grant }: AddOptions): Promise<Kind> {
  const questions = await import("./questions.ts");
  if (preset !== undefined && grant !== undefined) {
    throw new AuthdError("invalid_params", "give --preset or --grant, not both");
  }
  const given = preset !== undefined ? { preset } : grant !== undefined ? { grant } : undefined;
  if (given) {
    questions.checkKind(given);
    return given;
  }
  if (interactive()) return questions.askKind();
  const { presetNames } = await import("../config/preset.ts");
  throw new AuthdError(
    "invalid_params",
    `which API? Give --preset (${presetNames().join(", ")}), or --grant for another`,
  );
}

/** Asks for missing settings on the way, because they decide which secrets there are. */
async function secretsOf(
  name: string,
  kind: Kind,
  settings: SettingsInput,
  { secretsFrom: source, register = false, replace = false }: AddOptions,
): Promise<Record<string, string>> {
  if (!interactive()) return source === undefined ? {} : secretsFrom(source);
  const { assertCredentialName, coerceSettings, configDir, resolveCredential } = await import(
    "../config/config.ts"
  );
  assertCredentialName(name);
  await refuseTaken(name, replace);
  const { askSecrets, askSettings } = await import("./questions.ts");
  await askSettings(kind, settings);
  if (source !== undefined) return secretsFrom(source);
  const file = { ...kind, ...coerceSettings(kind, settings) };
  const resolved = resolveCredential(name, file, {}, { configDir: configDir(process.env) });
  const made = register ? resolved.register?.generates : undefined;
  return askSecrets(resolved.secrets, ({ name, optional }) =>
    name === made ? "authd makes one" : optional ? "none" : undefined,
  );
}

/** Before any question: nobody should answer them all in vain. */
async function refuseTaken(name: string, replace: boolean): Promise<void> {
  const { credentials } = await callDaemon("credentials/list", {});
  if (replace || !credentials.some((each) => each.name === name)) return;
  throw new AuthdError(
    "invalid_params",
    `${name}: there is a credential of that name; change it with \`authd set ${name}\`, or give --replace`,
  );
}
