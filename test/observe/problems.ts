import test from "ava";
import {
  lockedVault,
  nextWarningAt,
  problemsOf,
  secretWarning,
} from "../../src/observe/problems.ts";
import type { State } from "../../src/protocol.ts";
import { infoOf } from "../helpers/credential-info.ts";

const NOW = Date.parse("2030-01-01T12:00:00Z");
const DAY = 86_400_000;

test("states that a person must end are problems, with the command that helps", (t) => {
  const reasonOf = (state: State) => problemsOf(infoOf("a", { state }), NOW)[0]?.reason;
  t.deepEqual((["idle", "ready", "refreshing", "failing", "locked"] as const).map(reasonOf), [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  t.deepEqual((["login_required", "rejected", "changed", "damaged"] as const).map(reasonOf), [
    "login_required",
    "credential_rejected",
    "credential_changed",
    "credential_damaged",
  ]);
  const lastError = { reason: "credential_rejected" as const, message: "a: refused", at: NOW };
  const [problem] = problemsOf(infoOf("a", { state: "rejected", lastError }), NOW);
  t.like(problem, { credential: "a", message: "a: refused", help: "authd set a" });
  t.like(lockedVault("no keychain"), { reason: "vault_locked", credential: undefined });
});

test("a secret's end is told 14 days ahead; what is not sealed is told beside it", (t) => {
  t.is(secretWarning({}, NOW), undefined);
  t.is(secretWarning({ secretExpires: "2030-01-16" }, NOW), undefined);
  t.deepEqual(secretWarning({ secretExpires: "2030-01-15" }, NOW), {
    over: false,
    text: "its secret runs out on 2030-01-15",
  });
  t.true(secretWarning({ secretExpires: "2030-01-01" }, NOW)?.over);
  const unsaved = { since: NOW, atRisk: "secrets", message: "a: no room" } as const;
  t.deepEqual(
    problemsOf(infoOf("a", { unsaved, secretExpires: "2030-01-02" }), NOW).map(
      ({ reason, message }) => [reason, message],
    ),
    [
      ["unsaved", "a: no room"],
      ["secret_expires", "a: its secret runs out on 2030-01-02"],
    ],
  );
});

test("the end of a refresh token that no use postpones is told from its warning on", (t) => {
  const ends = { refreshTokenHardExpiresAt: NOW + 9 * DAY, refreshTokenWarningAt: NOW };
  t.deepEqual(problemsOf(infoOf("a", ends), NOW - 1), []);
  const [problem] = problemsOf(infoOf("a", ends), NOW);
  t.deepEqual(problem, {
    credential: "a",
    reason: "refresh_token_expires",
    message: "a: its refresh token ends on 2030-01-10 12:00 UTC, however often it is used",
    help: "sign in again at the issuer, then authd set a",
  });
  const login = { how: ["browser" as const] };
  const signedIn = problemsOf(infoOf("a", { ...ends, login }), NOW);
  t.is(signedIn[0]?.help, "authd login a");
  const over = infoOf("a", { ...ends, state: "login_required" });
  t.deepEqual(
    problemsOf(over, NOW + 10 * DAY).map(({ reason }) => reason),
    ["login_required"],
    "said once",
  );
});

test("the next moment at which something else is told", (t) => {
  const ends = { refreshTokenHardExpiresAt: NOW + 9 * DAY, refreshTokenWarningAt: NOW };
  t.is(nextWarningAt(ends, NOW - 1), NOW);
  t.is(nextWarningAt(ends, NOW), NOW + 9 * DAY);
  t.is(nextWarningAt(ends, NOW + 9 * DAY), Number.POSITIVE_INFINITY);
  t.is(nextWarningAt({ secretExpires: "2030-02-01" }, NOW), Date.parse("2030-01-18"));
  t.is(nextWarningAt({ ...ends, secretExpires: "2030-01-12" }, NOW), NOW + 9 * DAY);
  t.is(nextWarningAt({}, NOW), Number.POSITIVE_INFINITY);
});
