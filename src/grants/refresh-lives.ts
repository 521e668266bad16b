/** Reads how long a refresh token lives: until it is left unused for too long, and at the most. */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Acquired } from "./grant.ts";
import { memberNamed } from "./json.ts";
import type { TokenSource } from "./lifetime.ts";
import { valueAt } from "./place.ts";
import type { AnswerContext } from "./refusal.ts";
import { type Reading, secondsIn, type TimeKind } from "./time-value.ts";

/** Names of both lives, of Keycloak, GitHub, Intuit and others; as `memberNamed` reads them. */
const NAMES = {
  idle: {
    duration: [
      ...["refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in"],
      ...["refresh_token_lifetime", "refresh_token_expires_in_seconds", "rt_expires_in"],
    ],
    instant: [
      ...["refresh_token_expires_at", "refresh_expires_at", "refresh_token_expires_on"],
      ...["refresh_token_expires", "refresh_token_expiry", "refresh_token_expiration"],
    ],
  },
  hard: {
    duration: [
      ...["x_refresh_token_hard_expires_in", "refresh_token_hard_expires_in"],
      ...["refresh_token_absolute_expires_in", "refresh_token_max_expires_in"],
    ],
    instant: ["refresh_token_hard_expires_at", "refresh_token_absolute_expires_at"],
  },
} satisfies Record<string, Record<TimeKind, string[]>>;

/**
 * Returns the lives in seconds from the request on; 0 is Keycloak's "never". One that can't be read is a fault
 * only beside a refresh token that authd uses.
 */
export function readRefreshLives(
  source: TokenSource,
  { refreshing }: AnswerContext,
  reading: Reading,
): Pick<Acquired, "refreshExpiresIn" | "refreshHardExpiresIn" | "lifetimeFault"> {
  const placed = placedLife(source, reading);
  const [usual, hard] = [NAMES.idle, NAMES.hard].map((names) =>
    readLife(source.members, names, reading),
  );
  const idle = placed ?? usual;
  const bad = refreshing ? [idle, hard].find((life) => life && life.left === undefined) : undefined;
  return omitUndefined({
    refreshExpiresIn: positive(idle?.left),
    refreshHardExpiresIn: positive(hard?.left),
    lifetimeFault: bad && {
      message: `${bad.name} can't be read`,
      ...omitUndefined({ set: bad.set }),
    },
  });
}

/** Reads the life at the file's own place; a place that finds nothing has a life that can't be read. */
function placedLife(
  { answer, places: { refresh_expires_in: place } }: TokenSource,
  reading: Reading,
) {
  const value = place === undefined ? null : valueAt(place, answer);
  if (value === null) return undefined;
  const name = `response.refresh_expires_in = "${place}" finds nothing, or`;
  return {
    name,
    left: secondsIn(value, "duration", reading),
    set: "response.refresh_expires_in=…",
  };
}

function readLife(members: object, names: Record<TimeKind, string[]>, reading: Reading) {
  for (const kind of ["duration", "instant"] as const) {
    for (const name of names[kind]) {
      const value = memberNamed(members, name);
      if (value !== undefined) {
        return {
          name: `the issuer's ${name}`,
          left: secondsIn(value, kind, reading),
          set: undefined,
        };
      }
    }
  }
  return undefined;
}

function positive(left: number | undefined): number | undefined {
  return left === undefined || left <= 0 ? undefined : left;
}
