import test from "ava";
import { lengthOf, line } from "../../src/cli/events.ts";
import type { EventKind } from "../../src/protocol.ts";

test("a length of time", (t) => {
  t.is(lengthOf("90"), 90_000);
  t.is(lengthOf("90s"), 90_000);
  t.is(lengthOf("1.5 h"), 5_400_000);
  t.is(lengthOf("2d"), 172_800_000);
  for (const text of ["", "h", "-1h", "1w", "1h 30m"]) {
    t.throws(() => lengthOf(text), { message: /such as 1h/ });
  }
});

test("each kind on one line, with nothing in it that could steer the terminal", (t) => {
  const kinds: Record<EventKind, RegExp> = {
    started: /started/,
    stopping: /stopping/,
    reloaded: /read again/,
    clock_jumped: /clock/,
    vault_locked: /vault locked/,
    vault_unlocked: /vault open/,
    manifest_rebuilt: /red text/,
    added: /added/,
    set: /changed/,
    trusted: /trusted/,
    removed: /removed/,
    signed_in: /signed in as red text/,
    signed_out: /signed out: red text/,
    tested: /red text/,
    token_file: /red text/,
    refreshed: /token obtained in 12 ms, good for 60 s$/,
    refresh_failed: /refresh failed \(internal\): red text Next try in 5 s$/,
    issuer_back: /issuer/,
    state: /idle → rejected \(internal\)$/,
    unsaved: /red text/,
    sealed: /red text/,
    audit_failed: /red text/,
    audit_written: /can be written again/,
    problem: /needs you \(internal\): red text/,
    resolved: /needs you no more \(internal\)/,
  };
  for (const [kind, words] of Object.entries(kinds)) {
    const event = {
      ...{ seq: 1, at: 0, kind: kind as EventKind, credential: "a", message: "\x1b[31mred\ntext" },
      ...({ reason: "internal", before: "idle", state: "rejected", first: true } as const),
      ...{ tookMs: 12, expiresAt: 60_000, retryAt: 5_000 },
    };
    const told = line(event, (_style, text) => text);
    t.regex(told, words);
    t.regex(told, /^19\S+ \S+ a [^\x1b\n]+$/);
  }
  t.regex(
    line({ seq: 1, at: 0, kind: "stopping" }, (_style, text) => text),
    / authd stopping$/,
  );
});
