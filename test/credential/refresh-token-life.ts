import test from "ava";
import type { Rotation } from "../../src/credential/record.ts";
import { hardEnd, sessionLeft, storeLives } from "../../src/credential/refresh-token-life.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const WALL = Date.parse("2030-01-01T00:00:00Z");
const BOOT = "boot-1";

const at = (ms: number) => ({ wall: WALL + ms, boot: 5 * DAY + ms, bootId: BOOT });
const told = (idleMs?: number, hardMs?: number, isSame = false) => ({
  ...(idleMs === undefined ? {} : { refreshExpiresIn: idleMs / SECOND }),
  ...(hardMs === undefined ? {} : { refreshHardExpiresIn: hardMs / SECOND }),
  isSame,
});

test("an idle limit that each use postpones is no hard one", (t) => {
  const rotation: Rotation = { worked: true };
  for (let day = 0; day < 5; day++) {
    storeLives(rotation, at(day * DAY), told(30 * DAY));
    t.is(sessionLeft(rotation, at(day * DAY), BOOT), 30 * DAY);
    t.is(rotation.lifetime, 30 * DAY);
    t.is(hardEnd(rotation), undefined);
  }
});

test("an end that stays where it was is a hard one, until a use postpones it after all", (t) => {
  const rotation: Rotation = { worked: true };
  storeLives(rotation, at(0), told(10 * HOUR));
  storeLives(rotation, at(HOUR), told(9 * HOUR));
  t.is(rotation.lifetime, undefined);
  t.deepEqual(hardEnd(rotation), { endsAt: WALL + 10 * HOUR, warnAt: WALL + 7.5 * HOUR });
  storeLives(rotation, at(2 * HOUR), told(8 * HOUR));
  t.deepEqual(hardEnd(rotation), { endsAt: WALL + 10 * HOUR, warnAt: WALL + 7.5 * HOUR });
  storeLives(rotation, at(3 * HOUR), told(10 * HOUR));
  t.is(hardEnd(rotation), undefined);
});

test("a hard limit that was told once stays where later answers say nothing of it", (t) => {
  const rotation: Rotation = { worked: true };
  storeLives(rotation, at(0), told(30 * DAY, 365 * DAY));
  storeLives(rotation, at(DAY), told(30 * DAY));
  const end = { endsAt: WALL + 365 * DAY, warnAt: WALL + 351 * DAY };
  t.deepEqual(hardEnd(rotation), end);
  t.is(rotation.lifetime, 30 * DAY, "the idle limit is still renewed ahead");
  storeLives(rotation, at(2 * DAY), told());
  t.deepEqual(hardEnd(rotation), end);
  t.is(rotation.expiresAt, undefined, "of another token nothing else is known");
});

test("the same refresh token keeps what was told of it", (t) => {
  const rotation: Rotation = { worked: true };
  storeLives(rotation, at(0), told(30 * DAY));
  storeLives(rotation, at(DAY), told(undefined, undefined, true));
  t.is(sessionLeft(rotation, at(DAY), BOOT), 29 * DAY);
  t.is(rotation.lifetime, 30 * DAY);
});

test("records of before: an end without a lifetime is a hard one, and one with it is not", (t) => {
  const ending = { worked: true, expiresAt: WALL + 40 * DAY, obtainedAt: at(0) };
  t.deepEqual(hardEnd(ending), { endsAt: WALL + 40 * DAY, warnAt: WALL + 30 * DAY });
  t.is(hardEnd({ ...ending, lifetime: 40 * DAY }), undefined);
  const undated = { worked: true, expiresAt: WALL + 40 * DAY };
  t.deepEqual(hardEnd(undated), { endsAt: WALL + 40 * DAY, warnAt: WALL + 26 * DAY });
  t.is(hardEnd({ worked: true }), undefined);
  t.is(hardEnd(undefined), undefined);
});

test("the wall clock may be set while a limit runs", (t) => {
  const rotation: Rotation = { worked: true };
  storeLives(rotation, at(0), told(30 * DAY, 90 * DAY));
  const stepped = { ...at(DAY), wall: WALL - 365 * DAY };
  storeLives(rotation, stepped, told(30 * DAY));
  t.is(hardEnd(rotation)?.endsAt, stepped.wall + 89 * DAY);
});
