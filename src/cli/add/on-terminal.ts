/** `authd add` on a terminal: asks for everything that is missing. */
import {
  assertCredentialName,
  coerceSettings,
  configDir,
  resolveCredential,
} from "../../config/config.ts";
import type { CredentialSettings } from "../../config/settings.ts";
import { AuthdError } from "../../errors.ts";
import type { CredentialInfo } from "../../protocol.ts";
import { askSecrets } from "../ask-secrets.ts";
import { callDaemon } from "../call-daemon.ts";
import { withSilentKeyboard } from "../keyboard.ts";
import { knownPresets } from "../known-presets.ts";
import { report } from "../print-error.ts";
import { secretsFrom } from "../secrets-input.ts";
import { parseSettings } from "../settings-input.ts";
import { painter, plain } from "../style.ts";
import { Answers } from "./answers.ts";
import { commandToGoOn, type Draft } from "./draft.ts";
import { askKind, checkKind, type Kind } from "./kind.ts";
import { askName } from "./name.ts";
import type { AddOptions } from "./options.ts";
import { replacedLine } from "./replaced.ts";
import { lacksSignIn } from "./send.ts";
import { STOPPED, sendDraft, stopped } from "./send-draft.ts";
import { askSettings } from "./settings.ts";

export async function addOnTerminal(
  name: string | undefined,
  kind: Kind | undefined,
  options: AddOptions,
): Promise<void> {
  const { set = [], register, replace } = options;
  const flags = [...(register ? ["--register"] : []), ...(replace ? ["--replace"] : [])];
  const draft: Draft = { name, kind, settings: parseSettings(set), flags, stage: "checked" };
  const sending = new AbortController();
  const interrupted = () => {
    if (draft.stage === "sending") return sending.abort();
    process.exit(stopWith(stopped(STOPPED), draft));
  };
  process.once("SIGINT", interrupted);
  try {
    const added = await withSilentKeyboard(async () => {
      const secrets = await askAll(draft, options);
      draft.stage = "sending";
      return await sendDraft(draft, secrets, options, sending.signal);
    });
    draft.stage = "there";
    process.off("SIGINT", interrupted);
    if (lacksSignIn(added)) await (await import("../login.ts")).login(added.name, {});
  } catch (error) {
    process.exitCode = stopWith(error, draft);
  } finally {
    process.off("SIGINT", interrupted);
  }
}

/** Says why it ends and, unless the credential is there, how to go on. Returns the exit code. */
function stopWith(error: unknown, draft: Draft): number {
  const code = report(error);
  const command = commandToGoOn(draft);
  const paint = painter(process.stderr);
  if (command) process.stderr.write(`  ${paint("bold", "To go on:")} ${plain(command)}\n`);
  return code;
}

/** Asks for kind, name, settings and secrets, each unless it is given. */
async function askAll(draft: Draft, options: AddOptions): Promise<Record<string, string>> {
  if (draft.kind) checkKind(draft.kind);
  if (draft.name !== undefined) assertCredentialName(draft.name);
  const there = await credentialsThere();
  // With --replace no name is taken.
  const taken = new Set(options.replace ? [] : there.keys());
  if (draft.name !== undefined && taken.has(draft.name)) throw nameTaken(draft.name);
  tellReplaced(there.get(draft.name ?? ""));
  draft.stage = "asked";
  const kind = draft.kind ?? (await askKind());
  draft.kind = kind;
  if (draft.name === undefined) {
    draft.name = await askName(kind, taken);
    tellReplaced(there.get(draft.name));
  }
  const { name } = draft;
  const { secretsFrom: source, set, register } = options;
  const resolved = await settle(name, new Answers(kind, draft.settings), {
    all: set === undefined && source === undefined,
  });
  if (source !== undefined) return await secretsFrom(source);
  const made = register ? resolved.register?.generates : undefined;
  return await askSecrets(resolved, (field) =>
    field.name === made ? "authd makes one" : field.optional ? "none" : undefined,
  );
}

/** Asks for settings until they fit together. Throws AuthdError if they were all given, and don't. */
async function settle(
  name: string,
  answers: Answers,
  { all }: { all: boolean },
): Promise<CredentialSettings> {
  for (;;) {
    answers.asked = 0;
    await askSettings(answers, all);
    try {
      const presets = knownPresets();
      const given = coerceSettings(answers.kind, answers.settings, presets);
      const options = { configDir: configDir(process.env), presets };
      return resolveCredential(name, { ...answers.kind, ...given }, {}, options);
    } catch (error) {
      if (!(error instanceof AuthdError) || answers.asked === 0) throw error;
      report(error);
      answers.again = true;
    }
  }
}

/** Lists credentials before any question, so that nobody answers them all in vain. */
async function credentialsThere(): Promise<ReadonlyMap<string, CredentialInfo>> {
  const { credentials } = await callDaemon("credentials/list", {});
  const { lock } = await callDaemon("status", {});
  if (lock?.locked) throw new AuthdError("vault_locked", "the vault is locked");
  return new Map(credentials.map((info) => [info.name, info]));
}

function tellReplaced(info: CredentialInfo | undefined): void {
  if (!info) return;
  const line = replacedLine(info, Date.now(), painter(process.stderr));
  process.stderr.write(`${line}\n`);
}

function nameTaken(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${name}: there is a credential of that name; change it with \`authd set ${name}\`, or give --replace`,
  );
}
