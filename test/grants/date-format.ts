import test from "ava";
import { parseWithFormat, readsOffset, whyUnfitFormat } from "../../src/grants/date-format.ts";

const NOON = Date.parse("2026-11-30T12:00:00Z");

test("dates in formats of issuers' own", (t) => {
  for (const [text, format] of [
    ["11/30/2026 12:00:00 PM", "MM/DD/YYYY hh:mm:ss A"],
    ["11/30/2026 12:00 pm", "M/D/YYYY h:mm A"],
    ["30.11.2026 12:00", "DD.MM.YYYY HH:mm"],
    ["30/11/26 12:00:00", "DD/MM/YY HH:mm:ss"],
    ["20261130-120000", "YYYYMMDD-HHmmss"],
    ["30-Nov-2026 12h00", "DD-MMM-YYYY HH[h]mm"],
    ["2026-11-30T13:00:00.5 +0100", "YYYY-MM-DD[T]HH:mm:ss.S Z"],
    ["until November 30 2026 (12)", "[until] MMM DD YYYY (HH)"],
  ] as const) {
    t.is(whyUnfitFormat(format), undefined, format);
    const at = parseWithFormat(text, format, "UTC");
    t.is(at && Math.floor(at / 1_000), NOON / 1_000, text);
  }
  const berlin = parseWithFormat("30.11.2026 13:00", "DD.MM.YYYY HH:mm", "Europe/Berlin");
  t.is(berlin, NOON);
  t.true(readsOffset("YYYYMMDD Z"));
  t.false(readsOffset("YYYYMMDD [Z]"));
});

test("a text that does not fit its format is not read", (t) => {
  for (const text of ["30/11/2026", "11/31/2026", "2026-11-30", "11/30/2026 ", "13/01/2026", ""]) {
    t.is(parseWithFormat(text, "MM/DD/YYYY", "UTC"), undefined, text);
  }
});

test("a format that can't work is refused with the reason", (t) => {
  t.regex(whyUnfitFormat("MM/DD hh:mm A") ?? "", /has no year/);
  t.regex(whyUnfitFormat("HH:mm") ?? "", /has no year, no month, no day/);
  t.regex(whyUnfitFormat("MM/DD/YYYY hh:mm") ?? "", /needs hh and A together/);
  t.regex(whyUnfitFormat("MM/DD/YYYY HH:mm A") ?? "", /needs hh and A together/);
  t.regex(whyUnfitFormat("MM/DD/YYYY MM") ?? "", /says the month twice/);
  t.regex(whyUnfitFormat("yyyy-MM-dd") ?? "", /holds "y".*\[brackets\]/);
  t.regex(whyUnfitFormat("YYYY-MM-DDTHH") ?? "", /holds "T"/);
  t.regex(whyUnfitFormat("YYYY-MM-DD[oops") ?? "", /holds "\["/);
});
