import type { Log } from "../base/log.ts";
import type { Registry } from "../credential/registry.ts";
import { messageOf } from "../errors.ts";
import type { Unsaved } from "../protocol.ts";
import type { Listening } from "../rpc/socket.ts";
import type { Core } from "./core.ts";
import type { Foundation } from "./foundation.ts";
import type { Front } from "./front.ts";
import { GRACE, type LastAnswers } from "./last-answers.ts";

/**
 * Ends the daemon from its front to its foundation: clients, token requests, what is to be written. Returns
 * the names of the credentials that lose secrets by it.
 */
export async function shutDown(
  { log, clock, http, vault, events }: Foundation,
  core: Core,
  { approvals, server, audit }: Front,
  listening: Listening,
  lastAnswers: LastAnswers,
): Promise<readonly string[]> {
  const toldAtMs = clock.monotonic();
  let losers: readonly string[] = [];
  await closeAll(log, [
    () => events.emit({ kind: "stopping" }),
    () => core.close(),
    () => approvals.close(),
    () => listening.release(),
    () => server.close(GRACE),
    () => lastAnswers.wait(toldAtMs),
    () => http.close(),
    () => core.shared?.sync.stop(),
    async () => {
      losers = await sealForTheLastTime(core.registry, log);
    },
    () => audit.note({ event: "daemon", outcome: "stopped", pid: process.pid }),
    () => audit.close(),
    () => vault.close(),
    () => core.observer.close(),
  ]);
  log.info({}, "stopped");
  return losers;
}

/** Closes as much of a daemon as there is before it serves anybody. */
export async function closeUnstarted(
  { log, http, vault }: Foundation,
  core: Core | undefined,
  front: Front | undefined,
): Promise<void> {
  await closeAll(log, [
    () => core?.close(),
    () => front?.approvals.close(),
    () => front?.server.close(0),
    () => http.close(),
    () => vault.close(),
    () => core?.observer.close(),
  ]);
}

/** Runs the steps one after the other. One that fails is logged and keeps none of the others from their turn. */
async function closeAll(log: Log, steps: readonly (() => unknown)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      log.error({}, `a part of authd could not be closed: ${messageOf(error)}`);
    }
  }
}

/** Returns the names of credentials of which more than tokens is lost: the disk does not take it even now. */
async function sealForTheLastTime(registry: Registry, log: Log): Promise<string[]> {
  const losers: string[] = [];
  for (const [name, { atRisk, message }] of await registry.sealAgain()) {
    if (atRisk === "secrets") losers.push(name);
    log.error({ credential: name, lost: atRisk }, `${name}: ${LOSS[atRisk]}. ${message}`);
  }
  return losers;
}

const LOSS: Readonly<Record<Unsaved["atRisk"], string>> = {
  secrets:
    "authd ends, and what the issuer gave last is lost with it; if the next start is refused, sign in again and run authd set",
  tokens: "authd ends, and its tokens are lost with it; others are obtained at the next start",
};
