import { REMEDIES } from "../observe/problems.ts";
import type { Reason } from "../protocol.ts";

/** For each reason, the next step after an error; undefined if the message tells it. */
const NEXT: Readonly<Record<Reason, ((name: string) => string) | undefined>> = {
  invalid_params: undefined,
  unknown_credential: () => "authd list shows what there is; authd add makes a new one",
  login_required: REMEDIES.login_required,
  credential_rejected: REMEDIES.credential_rejected,
  credential_changed: REMEDIES.credential_changed,
  credential_damaged: REMEDIES.credential_damaged,
  origin_not_allowed: (name) => `authd show ${name} lists the origins that are allowed`,
  caller_not_allowed: undefined,
  token_not_exposed: (name) => `authd request ${name} sends requests without showing the token`,
  vault_locked: REMEDIES.vault_locked,
  issuer_unavailable: undefined,
  timeout: () => "try again; --timeout gives it longer",
  too_busy: () => "try again in a moment",
  shutting_down: () => "try again once the daemon is back",
  request_failed: undefined,
  request_too_large: undefined,
  response_too_large: undefined,
  cancelled: undefined,
  no_daemon: undefined,
  internal: () => "authd doctor; the daemon's log says more",
};

/** The next step after an error, unless its message already names a command. */
export function nextStep(reason: Reason, credential: string | undefined, message: string) {
  return /\bauthd [a-z]/.test(message) ? undefined : NEXT[reason]?.(credential ?? "NAME");
}
