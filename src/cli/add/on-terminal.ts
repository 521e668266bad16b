/** `authd add` on a terminal: asks for everything that is missing. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  assertCredentialName,
  coerceSettings,
  configDir,
  resolveCredential,
} from "../../config/config.ts";
import type { CredentialSettings } from "../../config/settings.ts";
import { AuthdError } from "../../errors.ts";
import { NoDaemonError } from "../../rpc/daemon-connection.ts";
import { askSecrets } from "../ask-secrets.ts";
import { callDaemon } from "../call-daemon.ts";
import { withSilentKeyboard } from "../keyboard.ts";
import { report } from "../print-error.ts";
import { confirmed } from "../prompts.ts";
import { secretsFrom } from "../secrets-input.ts";
import { parseSettings } from "../settings-input.ts";
import { painter, plain } from "../style.ts";
import { Answers } from "./answers.ts";
import { commandToGoOn, type Draft } from "./draft.ts";
import { askKind, checkKind, type Kind } from "./kind.ts";
import { askName } from "./name.ts";
import type { AddOptions } from "./options.ts";
import { announceAdded, sendAdd } from "./send.ts";
import { askSettings } from "./settings.ts";

const STOPPED = "stopped; nothing was changed";

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
    await withSilentKeyboard(async () => {
      const secrets = await askAll(draft, options);
      draft.stage = "sending";
      await send(draft, secrets, options, sending.signal);
    });
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
  const taken = await takenNames(options);
  if (draft.name !== undefined && taken.has(draft.name)) throw nameTaken(draft.name);
  draft.stage = "asked";
  const kind = draft.kind ?? (await askKind());
  draft.kind = kind;
  const name = draft.name ?? (await askName(kind, taken));
  draft.name = name;
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
      const file = { ...answers.kind, ...coerceSettings(answers.kind, answers.settings) };
      return resolveCredential(name, file, {}, { configDir: configDir(process.env) });
    } catch (error) {
      if (!(error instanceof AuthdError) || answers.asked === 0) throw error;
      report(error);
      answers.again = true;
    }
  }
}

/** Before any question, so that nobody answers them all in vain. With --replace no name is taken. */
async function takenNames({ replace }: AddOptions): Promise<ReadonlySet<string>> {
  const { credentials } = await callDaemon("credentials/list", {});
  const { lock } = await callDaemon("status", {});
  if (lock?.locked) throw new AuthdError("vault_locked", "the vault is locked");
  return new Set(replace ? [] : credentials.map(({ name }) => name));
}

function nameTaken(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${name}: there is a credential of that name; change it with \`authd set ${name}\`, or give --replace`,
  );
}

/** Sends it; after a failure of the daemon's the same answers can be sent again. */
async function send(
  draft: Draft,
  secrets: Record<string, string>,
  { register, replace = false }: AddOptions,
  signal: AbortSignal,
): Promise<void> {
  const { name = "", kind, settings } = draft;
  const flags = { ...(register && { register }), ...(replace && { replace }) };
  const params = { name, ...kind, settings, secrets, ...flags };
  for (let isDone = false; !isDone; ) {
    try {
      announceAdded(await sendAdd(params, signal), replace);
      isDone = true;
    } catch (error) {
      if (await isThere(name)) draft.stage = "there";
      if (signal.aborted) throw interruption(draft, replace);
      await askToTryAgain(error, draft);
    }
  }
}

/** Throws `error` if another try makes no sense, or a person wants none. */
async function askToTryAgain(error: unknown, { stage }: Draft): Promise<void> {
  if (stage === "there" || !mayPass(error)) throw error;
  report(error);
  if (!(await confirmed("Try again with the same answers?"))) throw stopped(STOPPED);
}

/** Looks a few times: a change that was withdrawn may just be coming to its end. */
async function isThere(name: string): Promise<boolean> {
  for (const waitMs of [0, 100, 300]) {
    await sleep(waitMs);
    const { credentials } = await callDaemon("credentials/list", {}).catch(() => ({
      credentials: [],
    }));
    if (credentials.some((each) => each.name === name)) return true;
  }
  return false;
}

function interruption({ name, stage }: Draft, replace: boolean): AuthdError {
  if (stage !== "there") return stopped(STOPPED);
  return stopped(
    replace
      ? `stopped; ${name} was just being replaced: authd show ${name} tells how it is now`
      : `stopped; ${name} is added already, and was not tried: authd test ${name} tries it, authd remove ${name} takes it away`,
  );
}

const stopped = (message: string) => new AuthdError("cancelled", message);

/** True for a failure that a person may end, with the answers still here. */
function mayPass(error: unknown): boolean {
  if (error instanceof NoDaemonError) return true;
  const passing = ["vault_locked", "shutting_down", "too_busy", "internal"];
  return error instanceof AuthdError && passing.includes(error.reason);
}
