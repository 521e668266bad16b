import test from "ava";
import { arrange } from "../../../src/cli/status/arrange.ts";
import type { CredentialInfo } from "../../../src/protocol.ts";
import { NOW, readyInfo } from "../../helpers/credential-info.ts";

const names = (credentials: readonly CredentialInfo[]) => credentials.map(({ name }) => name);
const named = (name: string, more: Partial<CredentialInfo> = {}) => readyInfo({ name, ...more });

test("names are in the order in which people count", (t) => {
  const list = ["api-10", "api-2", "b", "a"].map((name) => named(name));
  t.deepEqual(names(arrange(list, "name")), ["a", "api-2", "api-10", "b"]);
});

test("what needs a person comes first, then what fails", (t) => {
  const unsaved = { atRisk: "tokens", since: NOW, message: "full" } as const;
  const list = [
    named("a"),
    named("failing", { state: "failing" }),
    named("rejected", { state: "rejected" }),
    named("damaged", { state: "damaged" }),
    named("z", { unsaved }),
    named("refused", { troubles: [{ reason: "test_failed", message: "401", help: "set it" }] }),
  ];
  const sorted = ["damaged", "refused", "rejected", "z", "failing", "a"];
  t.deepEqual(names(arrange(list, "problems")), sorted);
});

test("by expiry the next end comes first, by last use the newest", (t) => {
  const list = [
    named("never", { expiresAt: null, lastAskedAt: undefined as never }),
    named("late", { expiresAt: NOW + 60_000, lastAskedAt: NOW - 1 }),
    named("soon", { expiresAt: NOW + 1_000, lastAskedAt: NOW - 2 }),
  ];
  t.deepEqual(names(arrange(list, "expiry")), ["soon", "late", "never"]);
  t.deepEqual(names(arrange(list, "last use")), ["late", "soon", "never"]);
});

test("a filter looks at name, host, preset, grant and state", (t) => {
  const list = [
    named("one", { origins: ["https://files.example"] }),
    named("two", { state: "login_required", preset: "zebbra" }),
  ];
  for (const filter of ["ONE", "files"]) t.deepEqual(names(arrange(list, "name", filter)), ["one"]);
  for (const filter of ["two", "zeb", "login"]) {
    t.deepEqual(names(arrange(list, "name", filter)), ["two"]);
  }
  t.deepEqual(arrange(list, "name", "nothing"), []);
});
