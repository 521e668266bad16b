import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { RateLimiter } from "../base/rate-limiter.ts";
import type { NewAllowRule } from "../config/allow-rule.ts";
import type { PendingApproval } from "../protocol.ts";
import type { Call } from "../rpc/server.ts";
import { Access, type Question } from "./access.ts";
import { desktopPrompter } from "./approvals/desktop-prompt.ts";
import { ApprovalService, type ApprovalServiceOptions } from "./approvals/service.ts";
import { type LookUp, ProcessIdentities } from "./identity/identities.ts";
import type { Identities } from "./identity/identity.ts";

/** Writes an `[[allow]]` rule to a credential's file. Rejects with an AuthdError if that can't be done. */
interface RuleWriter {
  allow(credential: string, rule: NewAllowRule): Promise<void>;
}

export interface CreateAccessOptions {
  env: NodeJS.ProcessEnv;
  clock: Clock;
  log: Log;
  /** Writes down what a person has allowed for always. */
  admin: RuleWriter;
  /** Undefined where the vault's key is no passphrase; otherwise whether this is the one. */
  passphrase: () => ((given: string, call: Call) => Promise<boolean>) | undefined;
  /** Whether other users may answer what programs of that same user ask. */
  guestsAnswer: () => boolean;
  /** A question waits, and no dialog shows it. */
  unseen: (question: PendingApproval, text: string) => void;
  noted?: ApprovalServiceOptions["noted"];
  /** Runs what finds out who is behind a connection. */
  lookUp?: LookUp;
}

/** Puts together who may ask: identities, rules, and a person's word. */
export function createAccess({ env, clock, admin, ...options }: CreateAccessOptions): {
  access: Access;
  approvals: ApprovalService;
  identities: Identities;
} {
  const identities = new ProcessIdentities(options.lookUp);
  const approvals = new ApprovalService({
    ...options,
    clock,
    identities,
    writeRule: (question) => writeRule(admin, question),
    desktop: (failed) => desktopPrompter({ env, failed }),
  });
  const access = new Access({
    identities,
    approvals: approvals.queue,
    rates: new RateLimiter(clock),
    now: () => clock.wall(),
  });
  return { access, approvals, identities };
}

async function writeRule(
  admin: RuleWriter,
  { credential, kind, rule, identity }: Question,
): Promise<void> {
  const executable = identity.actor?.executable;
  if (executable === undefined || kind === "change" || kind === "refresh")
    throw new Error("not offered for this");
  await admin.allow(credential, { executable, kind, rule });
}
