import type { AuthdError } from "../errors.ts";
import type { CredentialInfo, State } from "../protocol.ts";
import type { CredentialSettings } from "../settings.ts";
import type { Moment } from "../timekeeper.ts";
import { expiresAt } from "../token.ts";
import type { Obstacle } from "./obstacle.ts";
import type { CredentialRecord } from "./record.ts";
import type { Variant } from "./variant.ts";

export interface Picture {
  settings: CredentialSettings;
  record: CredentialRecord | undefined;
  state: State;
  obstacle: Obstacle | undefined;
  /** The variant that stands for the credential. */
  face: Variant;
  /** Boot time of its next flight; Infinity: none. */
  deadline: number;
  failureCount: number;
  lastError: CredentialInfo["lastError"];
}

/** What people and programs see of a credential: no secret, no token. */
export function infoOf(picture: Picture, now: Moment): CredentialInfo {
  const { settings, record, state, obstacle, face, deadline } = picture;
  const { name, grant, preset, origins, secretExpires } = settings;
  const toWall = (boot: number) => Math.round(now.wall + boot - now.boot);
  const lastError = obstacle ? inTheWay(obstacle.error, now.wall) : picture.lastError;
  const failing = face.failures > 0 && Number.isFinite(deadline);
  return {
    name,
    grant,
    ...(preset === undefined ? {} : { preset }),
    state,
    expiresAt: face.issued ? expiresAt(face.issued.token, now) : null,
    refreshAt: face.issued && Number.isFinite(deadline) ? toWall(deadline) : null,
    ...(failing ? { retryAt: toWall(face.retryAt) } : {}),
    ...(record?.lastRefreshAt === undefined ? {} : { lastRefreshAt: record.lastRefreshAt }),
    refreshCount: record?.refreshCount ?? 0,
    failureCount: picture.failureCount,
    ...(lastError ? { lastError } : {}),
    origins: [...origins],
    ...(secretExpires === undefined ? {} : { secretExpires }),
  };
}

/** One whose file never worked since the start. */
export function brokenInfo(name: string, error: AuthdError, at: number): CredentialInfo {
  return {
    name,
    grant: "unknown",
    state: "damaged",
    expiresAt: null,
    refreshAt: null,
    refreshCount: 0,
    failureCount: 0,
    lastError: inTheWay(error, at),
    origins: [],
  };
}

function inTheWay({ reason, message }: AuthdError, at: number) {
  return { reason, message, at };
}
