import test from "ava";
import { cut, painter, plain, width } from "../../src/cli/style.ts";
import { table } from "../../src/cli/table.ts";
import { duration, expiry, fromNow, moment } from "../../src/cli/times.ts";

test("nothing in the text of others can steer the terminal", (t) => {
  for (const [given, wanted] of [
    ["\x1b[31mred\x1b[0m", "red"],
    ["\x1b]0;title\x07text", "text"],
    ["\x1b]8;;https://a.example\x1b\\link", "link"],
    ["\x1bPq\x1b\\x", "x"],
    ["one\r\ntwo\tthree", "one two three"],
    ["a\x9b31mb", "a 31mb"],
    ["bell\x07", "bell"],
    ["\u202egnp.exe\u2066", "gnp.exe"],
    ["\x1b", ""],
    ["größe ✔", "größe ✔"],
  ] as const) {
    t.is(plain(given), wanted);
  }
});

test("colours are for terminals; FORCE_COLOR and NO_COLOR decide before that", (t) => {
  const isPainted = (isTTY: boolean, env: NodeJS.ProcessEnv) =>
    painter({ isTTY }, env)("red", "x") !== "x";
  t.true(isPainted(true, {}));
  t.false(isPainted(false, {}));
  t.false(isPainted(true, { NO_COLOR: "1" }));
  t.true(isPainted(true, { NO_COLOR: "" }));
  t.false(isPainted(true, { TERM: "dumb" }));
  t.true(isPainted(false, { FORCE_COLOR: "1" }));
  t.true(isPainted(false, { FORCE_COLOR: "1", NO_COLOR: "1" }));
  t.false(isPainted(true, { FORCE_COLOR: "0" }));
});

test("columns line up, painted or not", (t) => {
  const paint = painter({ isTTY: true }, {});
  const lines = table([
    ["NAME", "STATE", "X"],
    ["a", paint("green", "● ready"), "1"],
    ["longer", "○ idle", ""],
  ]);
  t.deepEqual(lines.map(width), [18, 18, 14]);
  t.is(lines[0], "NAME    STATE    X");
  t.is(lines[2], "longer  ○ idle");
});

test("what is too long is cut with a mark", (t) => {
  t.is(cut("abc", 3), "abc");
  t.is(cut("abcd", 3), "ab…");
  t.is(cut("abcd", 0), "");
  t.is(cut("😀😀😀", 3), "😀…");
  t.is(cut("日本語", 6), "日本語");
  t.is(cut("日本語", 5), "日本…");
  t.is(cut("\x1b[1mabcd\x1b[22m", 3), "\x1b[1mab…\x1b[0m");
});

test("times are told in one unit", (t) => {
  const minute = 60_000;
  for (const [ms, words] of [
    [0, "0 s"],
    [-5, "0 s"],
    [42_000, "42 s"],
    [30 * minute, "30 min"],
    [24 * 60 * minute, "24 h"],
    [14 * 24 * 60 * minute, "14 days"],
    [3_122_063_999_000, "99 years"],
  ] as const) {
    t.is(duration(ms), words);
  }
  t.is(fromNow(5_000, 0), "in 5 s");
  t.is(fromNow(0, 5_000), "5 s ago");
  t.is(expiry(0, 5_000), "expired 5 s ago");
  t.regex(moment(0), /^19(69|70)-\d\d-\d\d \d\d:\d\d:\d\d$/);
  t.is(moment(Number.MAX_VALUE), "never");
});
