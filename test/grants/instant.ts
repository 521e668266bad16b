import test from "ava";
import { parseInstant } from "../../src/grants/instant.ts";

const NOON = Date.parse("2026-11-30T12:00:00Z");

test("every spelling of one moment", (t) => {
  for (const text of [
    ...["2026-11-30T12:00:00Z", "2026-11-30t12:00:00z", "2026-11-30T12:00:00.000Z"],
    ...["2026-11-30T12:00Z", "2026-11-30T12Z", "2026-11-30 12:00:00", "2026-11-30T12:00:00"],
    ...["2026-11-30T13:00:00+01:00", "2026-11-30T13:00:00+0100", "2026-11-30T13:00:00+01"],
    ...["2026-11-30T06:30:00-05:30", "2026-11-30T12:00:00.0000000Z", "2026-11-30T12:00:00,0Z"],
    ...["2026-11-30T12:00:00Z[UTC]", "2026-11-30T13:00:00+01:00[Europe/Paris]"],
    ...["2026-11-30T13:00:00[Europe/Paris]", "2026-11-30T12:00:00[UTC]"],
    ...["2026-11-30 12:00:00 UTC", "2026-11-30 12:00:00 GMT", "2026-11-30 12:00:00 +0000"],
    ...[
      "2026-11-30 12:00:00 +0000 UTC",
      "2026-11-30 14:00:00.000 +0200 EET",
      "2026/11/30 12:00:00",
    ],
    ...["20261130T120000Z", "20261130T130000+0100", "20261130T1200Z", "20261130120000"],
    ...["Mon, 30 Nov 2026 12:00:00 GMT", "30 Nov 2026 12:00:00 GMT", "Mon, 30 Nov 2026 12:00 UT"],
    ...["Mon, 30 Nov 2026 13:00:00 +0100", "Mon, 30 Nov 2026 07:00:00 EST"],
    ...["Monday, 30-Nov-26 12:00:00 GMT", "Mon, 30-Nov-2026 12:00:00 GMT"],
    ...["Mon Nov 30 12:00:00 2026", "Mon Nov 30 12:00:00 UTC 2026", "Mon Nov 30 04:00:00 PST 2026"],
    "Mon Nov 30 2026 13:00:00 GMT+0100 (Central European Standard Time)",
    ...["November 30, 2026 12:00 PM UTC", "Nov 30, 2026, 12:00:00 PM", "30 November 2026 12:00:00"],
    ...["/Date(1796040000000)/", "Date(1796040000000)", "/Date(1796040000000+0100)/"],
  ]) {
    t.is(parseInstant(text), NOON, text);
  }
});

test("decimals count, and a day alone begins at midnight", (t) => {
  t.is(parseInstant("2026-11-30T12:00:00.1239999Z"), NOON + 123);
  t.is(parseInstant("2026-11-30"), Date.parse("2026-11-30T00:00:00Z"));
  t.is(parseInstant("2026-11-30T24:00:00Z"), Date.parse("2026-12-01T00:00:00Z"));
  t.is(parseInstant("Nov 30, 2026 12:00:00 AM"), Date.parse("2026-11-30T00:00:00Z"));
});

test("a zone counts for local times, and an offset in the text over it", (t) => {
  const berlin = (text: string) => parseInstant(text, "Europe/Berlin");
  t.is(berlin("2026-11-30 13:00:00"), NOON);
  t.is(berlin("2026-07-01 14:00:00"), Date.parse("2026-07-01T12:00:00Z"));
  t.is(berlin("2026-11-30T12:00:00Z"), NOON);
  t.is(berlin("30 Nov 2026 13:00:00"), NOON);
  t.is(parseInstant("2026-11-30 14:30:00", "+02:30"), NOON);
  t.is(parseInstant("2026-11-30 07:00:00", "America/New_York"), NOON);
});

test("an hour that autumn repeats is the earlier, and one that spring skips is told by the offset before", (t) => {
  const berlin = (text: string) => parseInstant(text, "Europe/Berlin");
  t.is(berlin("2026-10-25 02:30:00"), Date.parse("2026-10-25T00:30:00Z"));
  t.is(berlin("2026-10-25 03:30:00"), Date.parse("2026-10-25T02:30:00Z"));
  t.is(berlin("2026-03-29 02:30:00"), Date.parse("2026-03-29T01:30:00Z"));
  t.is(berlin("2026-03-29 03:30:00"), Date.parse("2026-03-29T01:30:00Z"));
});

test("what is ambiguous, does not exist or is no date is not read", (t) => {
  for (const text of [
    ...["11/12/2026", "11/30/2026 12:00:00 PM", "30.11.2026 12:00", "12:00:00", "2026", "tomorrow"],
    ...["2026-02-30T12:00:00Z", "2026-13-01", "2026-11-30T25:00:00Z", "2026-11-30T12:60:00Z"],
    ...[
      "2026-11-30T12:00:00 Berlin",
      "2026-11-30T12:00:00+99:00",
      "2026-11-30T12:00:00[Mars/Crater]",
    ],
    ...["Mon, 30 Nov 2026 12:00:00 IST", "Mon, 30 Foo 2026 12:00:00 GMT", "30 Nov 12:00", ""],
    ...["20269930120000", "Nov 30, 2026 13:00 PM", "eyJhbGciOiJub25lIn0.e30.x", "/Date()/"],
  ]) {
    t.is(parseInstant(text), undefined, text);
  }
});
