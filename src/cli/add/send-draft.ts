/** Sends what a person has entered, again if they want, and says what is left after Ctrl-C. */
import { setTimeout as sleep } from "node:timers/promises";
import { AuthdError } from "../../errors.ts";
import type { CredentialInfo } from "../../protocol.ts";
import { NoDaemonError } from "../../rpc/daemon-connection.ts";
import { callDaemon } from "../call-daemon.ts";
import { report } from "../print-error.ts";
import { confirmed } from "../prompts.ts";
import type { Draft } from "./draft.ts";
import type { AddOptions } from "./options.ts";
import { announceAdded, sendAdd } from "./send.ts";

export const STOPPED = "stopped; nothing was changed";

/** Sends it; after a failure of the daemon's the same answers can be sent again. */
export async function sendDraft(
  draft: Draft,
  secrets: Record<string, string>,
  { register, replace = false }: AddOptions,
  signal: AbortSignal,
): Promise<CredentialInfo> {
  const { name = "", kind, settings } = draft;
  const flags = { ...(register && { register }), ...(replace && { replace }) };
  const params = { name, ...kind, settings, secrets, ...flags };
  for (;;) {
    try {
      const added = await sendAdd(params, signal);
      announceAdded(added, replace);
      return added;
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

export const stopped = (message: string) => new AuthdError("cancelled", message);

/** True for a failure that a person may end, with the answers still here. */
function mayPass(error: unknown): boolean {
  if (error instanceof NoDaemonError) return true;
  const passing = ["vault_locked", "shutting_down", "too_busy", "internal"];
  return error instanceof AuthdError && passing.includes(error.reason);
}
