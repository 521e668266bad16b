import type { CredentialInfo, Problem, ProblemReason, State } from "../protocol.ts";

/** Time before a secret's expiry from which on it is a problem: 14 days. */
const SECRET_WARNING_MS = 14 * 86_400_000;

/** Remedy of each reason. */
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
  refresh_token_expires: (name) => `sign in again at the issuer, then authd set ${name}`,
  lifetime: (name) => `authd edit ${name}`,
  kept_value: (name) => `authd edit ${name}`,
  insufficient_scope: (name) => `authd show ${name}`,
  insufficient_user_authentication: (name) => `authd login ${name}`,
  wrong_address: (name) => `authd edit ${name}`,
  blocked: (name) => `authd refresh ${name}`,
  test_failed: (name) => `authd set ${name}`,
  socket: () => "mend its path in config.toml, then restart authd",
  token_file: () => "authd token-file --list",
  store: () =>
    "mend what it says in [store] of config.toml or at the database, or let this host in: authd fleet invite on another one, authd fleet join here",
  hook: (program) => `mend ${program}, or change hook in config.toml, then authd reload`,
};

/** Returns what ends a state in which a person must act: where people sign in, they sign in again. */
export function remedyOf({ name, login }: Pick<CredentialInfo, "name" | "login">, state: State) {
  const reason = state === "locked" ? "vault_locked" : PROBLEM_REASONS[state];
  if (reason === undefined) return undefined;
  return reason === "login_required" && login ? `authd login ${name}` : REMEDIES[reason](name);
}

/** Problems of states that only a person ends. A locked vault is one problem, not one of each credential. */
const PROBLEM_REASONS: Partial<Record<State, ProblemReason>> = {
  login_required: "login_required",
  rejected: "credential_rejected",
  changed: "credential_changed",
  damaged: "credential_damaged",
};

export function needsPerson(state: State): boolean {
  return PROBLEM_REASONS[state] !== undefined;
}

/** Returns the problems of one credential. `now` is wall time, ms. */
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
  const refreshToken = refreshTokenWarning(info, now);
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
    ...(reason
      ? [problem(reason, lastError?.message ?? `${name}: ${reason}`, remedyOf(info, state))]
      : []),
    ...troubles.map((trouble) => ({ credential: name, ...trouble })),
    ...(unsaved ? [problem("unsaved", unsaved.message)] : []),
    ...(secret === undefined
      ? []
      : [problem("secret_expires", `${name}: ${secret.text}`, secretRemedy(info))]),
    ...(refreshToken && !reason
      ? [problem("refresh_token_expires", `${name}: ${refreshToken}`, refreshTokenRemedy(info))]
      : []),
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

/** Problem: the vault's key is not available. */
export function lockedVault(why: string): Problem {
  return {
    reason: "vault_locked",
    message: `the vault is locked: ${why}`,
    help: REMEDIES.vault_locked(""),
  };
}

/** Problem: the vault's manifest was lost, so that older sealed files could not be recognized. */
export function manifestProblem(message: string): Problem {
  return { reason: "manifest", message, help: REMEDIES.manifest("") };
}

/** Problem: the audit log can't be written, or was changed. */
export function auditProblem(message: string): Problem {
  return { reason: "audit", message, help: REMEDIES.audit("") };
}

/** Problem: a restricted socket can't be listened on. */
export function socketProblem(message: string): Problem {
  return { reason: "socket", message, help: REMEDIES.socket("") };
}

/** Problem: the store does not let this host in, or its settings can't be used. */
export function storeProblem({ message, help }: { message: string; help?: string }): Problem {
  return { reason: "store", message, help: help ?? REMEDIES.store("") };
}

/** Returns the problem of a hook whose last run failed. */
export function hookProblem([program = ""]: readonly string[], error: string): Problem {
  const message = `the hook ${program} ${error}: nobody was told by it`;
  return { reason: "hook", message, help: REMEDIES.hook(program) };
}

/** Returns a warning for a secret that expires within two weeks, or has expired (`over`). */
export function secretWarning(
  { secretExpires }: Pick<CredentialInfo, "secretExpires">,
  now: number,
): { text: string; over: boolean } | undefined {
  if (secretExpires === undefined) return undefined;
  const left = Date.parse(secretExpires) - now;
  if (left > SECRET_WARNING_MS) return undefined;
  const over = left <= 0;
  return { over, text: `its secret ${over ? "ran" : "runs"} out on ${secretExpires}` };
}

/** Names the command that brings another secret: of a client that authd registered, the issuer makes it. */
function secretRemedy({ name, login }: CredentialInfo): string | undefined {
  return login?.isRegistered
    ? `authd add ${name} --resource … --replace, which registers another client; then authd login ${name}`
    : undefined;
}

/** Returns a warning for a refresh token whose end no use postpones, once that is near. */
export function refreshTokenWarning(
  { refreshTokenHardExpiresAt: endsAt, refreshTokenWarningAt: warnAt }: RefreshTokenEnd,
  now: number,
): string | undefined {
  if (endsAt === undefined || warnAt === undefined || now < warnAt) return undefined;
  const when = `${new Date(endsAt).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  return `its refresh token ${endsAt <= now ? "ended" : "ends"} on ${when}, however often it is used`;
}

/** Names the command that replaces a refresh token, which must be done before it ends. */
export function refreshTokenRemedy({ name, login }: Pick<CredentialInfo, "name" | "login">) {
  return login ? `authd login ${name}` : REMEDIES.refresh_token_expires(name);
}

type RefreshTokenEnd = Pick<CredentialInfo, "refreshTokenHardExpiresAt" | "refreshTokenWarningAt">;

/** Returns the next wall time (ms) at which one of both warnings says something else; Infinity: never. */
export function nextWarningAt(
  info: RefreshTokenEnd & Pick<CredentialInfo, "secretExpires">,
  now: number,
): number {
  const { secretExpires, refreshTokenHardExpiresAt, refreshTokenWarningAt } = info;
  const endsAt = secretExpires === undefined ? Number.NaN : Date.parse(secretExpires);
  const all = [
    endsAt - SECRET_WARNING_MS,
    endsAt,
    refreshTokenWarningAt,
    refreshTokenHardExpiresAt,
  ];
  return Math.min(...all.filter((at) => at !== undefined && at > now).map(Number));
}
