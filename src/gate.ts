import { Access } from "./access.ts";
import { desktopAsker } from "./approvals/desktop.ts";
import { ApprovalService } from "./approvals/service.ts";
import type { Clock } from "./clock.ts";
import { ProcessIdentities } from "./identity/identities.ts";
import { Rates } from "./rates.ts";

export interface GateOptions {
  env: NodeJS.ProcessEnv;
  clock: Clock;
}

/** Puts together who may ask: identities, rules, and a person's word. */
export function createGate({ env, clock }: GateOptions): {
  access: Access;
  approvals: ApprovalService;
} {
  const identities = new ProcessIdentities();
  const approvals = new ApprovalService({
    clock,
    identities,
    desktop: desktopAsker(env),
    writeRule: async () => {},
    passphrase: () => undefined,
  });
  const access = new Access({
    identities,
    approvals: approvals.desk,
    rates: new Rates(clock),
    now: () => clock.wall(),
  });
  return { access, approvals };
}
