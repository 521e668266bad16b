import type { CredentialInfo, Problem, ProblemReason, State } from "../protocol.ts";

const DAY = 86_400_000;
/** A secret's end is told so long before, ms. */
const SECRET_WARNING = 14 * DAY;

/** What a person does about a problem, by its reason. */
export const REMEDIES: Readonly<Record<ProblemReason, (name: string) => string>> = {
  login_required: (name) => `authd set ${name}`,
  credential_rejected: (name) => `authd set ${name}`,
  credential_changed: (name) => `authd trust ${name}`,
  credential_damaged: (name) =>
    `authd edit ${name} mends its file; a vault file is put back from a copy, or authd add ${name} --replace`,
  vault_locked: () => "authd unlock; authd doctor says more",
  manifest: () =>
    "look who could write to the vault's folder, and at each credential's rules (authd show)",
  audit: () => "authd audit verify; authd doctor says more",
  unsaved: () => "make room on the disk, or mend it; authd doctor says more",
  secret_expires: (name) => `make a new one, then authd set ${name} and change secret_expires`,
  wrong_address: (name) => `authd edit ${name}`,
  blocked: (name) => `authd refresh ${name}`,
  test_failed: (name) => `authd set ${name}`,
  template: (name) => `authd edit ${name}`,
  hook: () => "mend the hook, or change hook in config.toml, then authd reload",
};

/** States that a person must end. A locked vault is one problem, however many it concerns. */
const PROBLEM_REASONS: Partial<Record<State, ProblemReason>> = {
  login_required: "login_required",
  rejected: "credential_rejected",
  changed: "credential_changed",
  damaged: "credential_damaged",
};

export function needsPerson(state: State): boolean {
  return PROBLEM_REASONS[state] !== undefined;
}

/** What of a credential needs a person. `now` is wall time. */
export function problemsOf(info: CredentialInfo, now: number): Problem[] {
  const { name, state, lastError, unsaved, candidate, troubles = [] } = info;
  const problem = (reason: ProblemReason, message: string, help?: string): Problem => ({
    credential: name,
    reason,
    message,
    help: help ?? REMEDIES[reason](name),
  });
  const reason = PROBLEM_REASONS[state];
  const secret = secretWarning(info, now);
  const isRefused = reason === undefined && candidate !== undefined && isRefusal(candidate.state);
  return [
    ...(isRefused
      ? [
          problem(
            "credential_rejected",
            refusedBeside(name, candidate.message),
            candidateHelp(name),
          ),
        ]
      : []),
    ...(reason ? [problem(reason, lastError?.message ?? `${name}: ${reason}`)] : []),
    ...troubles.map((trouble) => ({ credential: name, ...trouble })),
    ...(unsaved ? [problem("unsaved", unsaved.message)] : []),
    ...(secret === undefined ? [] : [problem("secret_expires", `${name}: ${secret.text}`)]),
  ];
}

function isRefusal(state: State): boolean {
  return state === "rejected" || state === "login_required";
}

function refusedBeside(name: string, why = "the issuer refused them"): string {
  return `${name}: its new secrets are not in force, and those of before stay in use: ${why}`;
}

function candidateHelp(name: string): string {
  return `authd refresh ${name} tries the new secrets again, authd set ${name} --discard drops them`;
}

/** The vault's key can't be had. */
export function lockedVault(why: string): Problem {
  return {
    reason: "vault_locked",
    message: `the vault is locked: ${why}`,
    help: REMEDIES.vault_locked(""),
  };
}

/** The vault's manifest was lost: sealed files that are older than the last change could not be told. */
export function manifestProblem(message: string): Problem {
  return { reason: "manifest", message, help: REMEDIES.manifest("") };
}

/** Who uses what can't be written down, or what was written was changed. */
export function auditProblem(message: string): Problem {
  return { reason: "audit", message, help: REMEDIES.audit("") };
}

/** What is to be said of a secret that runs out within two weeks, or has run out (`over`). */
export function secretWarning(
  { secretExpires }: Pick<CredentialInfo, "secretExpires">,
  now: number,
): { text: string; over: boolean } | undefined {
  if (secretExpires === undefined) return undefined;
  const left = Date.parse(secretExpires) - now;
  if (left > SECRET_WARNING) return undefined;
  const over = left <= 0;
  return { over, text: `its secret ${over ? "ran" : "runs"} out on ${secretExpires}` };
}
