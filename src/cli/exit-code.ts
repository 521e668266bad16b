import type { Reason } from "../protocol.ts";

/** Exit codes. Scripts of users rely on these numbers. */
export const EXIT = { done: 0, failed: 1, usage: 2, noDaemon: 3 } as const;

/** Exit code of each reason. */
export const EXIT_CODE: Readonly<Record<Reason, number>> = {
  invalid_params: EXIT.usage,
  no_daemon: EXIT.noDaemon,
  unknown_credential: 4,
  login_required: 5,
  credential_rejected: 5,
  credential_changed: 5,
  credential_damaged: 5,
  origin_not_allowed: 6,
  caller_not_allowed: 6,
  token_not_exposed: 6,
  vault_locked: 6,
  issuer_unavailable: 7,
  timeout: 7,
  too_busy: 7,
  shutting_down: 7,
  request_failed: EXIT.failed,
  request_too_large: EXIT.failed,
  response_too_large: EXIT.failed,
  cancelled: EXIT.failed,
  internal: EXIT.failed,
};
