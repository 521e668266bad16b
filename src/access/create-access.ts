import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { RateLimiter } from "../base/rate-limiter.ts";
import type { NewAllowRule } from "../config/allow-rule.ts";
import { stateDir } from "../config/directories.ts";
import { Access, type Question } from "./access.ts";
import { ApprovalService, type ApprovalServiceOptions } from "./approvals/approval-service.ts";
import { desktopPrompter } from "./approvals/desktop-prompt.ts";
import { QuestionIds } from "./approvals/question-ids.ts";
import { type LookUp, ProcessIdentities } from "./identity/identities.ts";
import type { Identities } from "./identity/identity.ts";

/** Writes an `[[allow]]` rule to a credential's file. Rejects with an AuthdError if that can't be done. */
interface RuleWriter {
  allow(credential: string, rule: NewAllowRule): Promise<void>;
}

export interface CreateAccessOptions
  extends Pick<
    ApprovalServiceOptions,
    "passphrase" | "guestsAnswer" | "onNoPrompt" | "onAudit" | "log"
  > {
  env: NodeJS.ProcessEnv;
  clock: Clock;
  /** Writes the rule that the answer "always" stands for. */
  admin: RuleWriter;
  /** Runs the search for the program behind a connection. */
  lookUp?: LookUp;
}

/** Creates access control with its parts: identities, rules, and the questions to a person. */
export function createAccess({ env, clock, admin, ...options }: CreateAccessOptions): {
  access: Access;
  approvals: ApprovalService;
  identities: Identities;
} {
  const identities = new ProcessIdentities(options.lookUp);
  const ids = new QuestionIds(join(stateDir(env), "question-id"));
  const approvals = new ApprovalService({
    ...options,
    clock,
    identities,
    nextId: () => ids.next(),
    writeRule: (question) => writeRule(admin, question),
    desktop: (onFailed) => desktopPrompter({ env, onFailed }),
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
