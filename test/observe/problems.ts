import test from "ava";
import { lockedVault, problemsOf, secretWarning } from "../../src/observe/problems.ts";
import type { State } from "../../src/protocol.ts";
import { infoOf } from "../helpers/credential-info.ts";

const NOW = Date.parse("2030-01-01T12:00:00Z");

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
