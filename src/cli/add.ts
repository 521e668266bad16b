import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import type { AddOptions } from "./add/options.ts";
import { interactive } from "./prompts.ts";
import { secretsFrom } from "./secrets-input.ts";
import { parseSettings } from "./settings-input.ts";

export async function define(command: Command): Promise<void> {
  const { kindsForHelp } = await import("./add/kind.ts");
  const list = (value: string, all: string[] = []) => [...all, value];
  command
    .argument("[name]", "what you will call it: lower case, digits, dots, hyphens")
    .option("--preset <preset>", "an API that authd knows (see below)")
    .option("--grant <grant>", "how tokens are obtained, for any other API (see below)")
    .option("--set <key=value>", "a setting; may be repeated, nested keys are dotted", list)
    .option("--secrets-from <file>", "secrets as a JSON object, out of a file or - for a pipe")
    .option("--replace", "if there is one of that name already, replace it")
    .option("--register", "make the account first (zebbra), or register a client at the issuer")
    .option("--resource <url>", "an API that names its issuer itself, such as an MCP server")
    .option(
      "--google-service-account <file>",
      "a Google service account, out of its key file; offers to remove the file",
    )
    .option(
      "--google-external-account <file>",
      "a workload that Google Cloud trusts, out of the file that gcloud makes for it",
    )
    .addHelpText("after", kindsForHelp())
    .action(add);
}

export const examples = [
  "authd add                                asks for everything",
  "authd add labelf --preset labelf",
  "authd add onestep --preset onestepai --set region=eu --secrets-from secrets.json",
  "authd add notes --resource https://mcp.example.com/mcp",
  "authd add drive --google-service-account key.json --set origins=https://www.googleapis.com",
  "authd add gcs --google-external-account config.json --set origins=https://storage.googleapis.com",
  "pass show labelf | authd add labelf --preset labelf --set client_id=me --secrets-from -",
];

async function add(name: string | undefined, options: AddOptions): Promise<void> {
  const { preset, grant, resource } = options;
  if (resource !== undefined) return await addResource(name, options);
  if (googleFile(options) !== undefined) return await addGoogle(name, options);
  if (preset !== undefined && grant !== undefined) {
    throw new AuthdError("invalid_params", "give --preset or --grant, not both");
  }
  const kind = preset !== undefined ? { preset } : grant !== undefined ? { grant } : undefined;
  if (interactive()) {
    return await (await import("./add/on-terminal.ts")).addOnTerminal(name, kind, options);
  }
  if (name === undefined) throw onTerminalOnly("missing required argument 'name'");
  const { checkKind } = await import("./add/kind.ts");
  if (!kind) {
    const { knownPresets } = await import("./known-presets.ts");
    const presets = [...knownPresets().byName.keys()].join(", ");
    throw onTerminalOnly(`which API? Give --preset (${presets}), or --grant for another`);
  }
  checkKind(kind);
  const { secretsFrom: source, set = [], replace, register } = options;
  const settings = parseSettings(set);
  const secrets = source === undefined ? {} : await secretsFrom(source);
  const { announceAdded, sendAdd } = await import("./add/send.ts");
  const params = { name, ...kind, settings, secrets, ...omitUndefined({ replace, register }) };
  announceAdded(await sendAdd(params), replace);
}

async function addResource(name: string | undefined, options: AddOptions): Promise<void> {
  const { preset, grant, register } = options;
  if ((preset ?? grant ?? register ?? googleFile(options)) !== undefined) {
    throw new AuthdError(
      "invalid_params",
      "--resource goes with --set, --secrets-from and --replace only: the API says the rest",
    );
  }
  if (name === undefined)
    throw new AuthdError("invalid_params", "missing required argument 'name'");
  await (await import("./add/resource.ts")).addResource(name, options);
}

function googleFile({ googleServiceAccount, googleExternalAccount }: AddOptions) {
  return googleServiceAccount ?? googleExternalAccount;
}

async function addGoogle(name: string | undefined, options: AddOptions): Promise<void> {
  if (name === undefined) {
    throw new AuthdError("invalid_params", "missing required argument 'name'");
  }
  const { preset, grant, secretsFrom: source, register } = options;
  const { googleServiceAccount, googleExternalAccount } = options;
  const isBoth = (googleServiceAccount && googleExternalAccount) !== undefined;
  if (isBoth || (preset ?? grant ?? source ?? register) !== undefined) {
    const kind = googleServiceAccount === undefined ? "external" : "service";
    throw new AuthdError(
      "invalid_params",
      `--google-${kind}-account goes with --set and --replace only: the file says the rest`,
    );
  }
  if (googleServiceAccount !== undefined) {
    const { addGoogleServiceAccount } = await import("./add/google-service-account.ts");
    return await addGoogleServiceAccount(name, options);
  }
  const { addGoogleExternalAccount } = await import("./add/google-external-account.ts");
  await addGoogleExternalAccount(name, options);
}

function onTerminalOnly(message: string): AuthdError {
  return new AuthdError("invalid_params", `${message}; on a terminal authd asks for it`);
}
