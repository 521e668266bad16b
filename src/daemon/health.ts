/** Whether the daemon can serve: what `authd health` and the probes of an orchestrator ask. */
import type { DaemonSettings } from "../config/settings.ts";
import type { Registry } from "../credential/registry.ts";
import { isOwn } from "../credential/shared/own-record.ts";
import { refusalText } from "../credential/shared/store-connection.ts";
import type { HealthCheck, HealthResult } from "../protocol.ts";
import type { SharedStore } from "./shared-store.ts";

export interface HealthSource {
  settings: DaemonSettings;
  registry: Registry;
  /** Why the vault is closed; undefined if it is open. */
  locked: string | undefined;
  /** What is wrong with the audit log. */
  auditProblem: string | undefined;
  shared: SharedStore | undefined;
}

export function healthOf(source: HealthSource): HealthResult {
  const { settings, registry, locked, auditProblem, shared } = source;
  const checks = [
    check("credentials", registry.isRead, "their files are read", "their files are being read"),
    check("vault", locked === undefined, "it is open", locked ?? ""),
    ...(settings.audit === "required"
      ? [check("audit", auditProblem === undefined, "it is written", auditProblem ?? "")]
      : []),
    ...(shared ? [storeCheck(shared, registry)] : []),
  ];
  return { ready: checks.every(({ ok }) => ok), checks };
}

function check(name: HealthCheck["name"], ok: boolean, yes: string, no: string): HealthCheck {
  return { name, ok, message: ok ? yes : no };
}

/**
 * A store that can't be reached is no reason to send nobody here, as long as this host has something to serve. One that
 * refuses it is, and so is a mistake of its settings: it gets nothing new before a person has acted.
 */
function storeCheck({ records, sync }: SharedStore, registry: Registry): HealthCheck {
  const { problem, refusal } = records.connection;
  if (problem === undefined && refusal === undefined && sync.syncedAt !== undefined)
    return check("store", true, "it is reached", "");
  const why = problem ?? (refusal && refusalText(refusal)) ?? "it was not asked yet";
  const isServed = refusal === undefined && registry.isRead && hasShared(registry);
  return check("store", isServed, `this host serves what it has of it: ${why}`, why);
}

function hasShared(registry: Registry): boolean {
  for (const { shared } of registry.all()) if (shared.live && !isOwn(shared.live)) return true;
  return false;
}
