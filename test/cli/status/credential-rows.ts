import test from "ava";
import { layOutRows, lifeBar, remainingLife } from "../../../src/cli/status/credential-rows.ts";
import { painter, width } from "../../../src/cli/style.ts";
import { NOW, readyInfo } from "../../helpers/credential-info.ts";

const bare = painter({ isTTY: false }, {});
const options = { now: NOW, paint: bare, withBar: true };

test("a token's remaining life is the share of what it began with", (t) => {
  t.is(remainingLife(readyInfo(), NOW), 0.5);
  t.is(remainingLife(readyInfo({ expiresAt: NOW - 1 }), NOW), 0);
  t.is(remainingLife(readyInfo({ expiresAt: null }), NOW), undefined);
  const { lastRefreshAt: _, ...unknown } = readyInfo();
  t.is(remainingLife(unknown, NOW), 1);
});

test("the bar is filled to an eighth of a character", (t) => {
  t.is(lifeBar(1, 4, bare), "████");
  t.is(lifeBar(0, 4, bare), "····");
  t.is(lifeBar(0.5, 4, bare), "██··");
  t.is(lifeBar(0.53, 4, bare), "██▏·");
  t.is(lifeBar(undefined, 4, bare), "····");
});

test("a wide terminal has all: host, state, life, expiry and last use as people read time", (t) => {
  const { heading, row } = layOutRows([readyInfo()], { ...options, columns: 200 });
  t.regex(heading, /^NAME +API +STATE +LIFE +EXPIRES +LAST USE +NEXT REFRESH$/);
  t.regex(
    row(readyInfo()),
    /^labelf +api\.app\.labelf\.ai +● ready +█{10}·{10} +in 30 s +2 h ago +in 15 s$/,
  );
});

test("where room is short, columns are left out; a name is cut last", (t) => {
  const info = readyInfo({ name: "a-name-of-thirty-characters-000" });
  for (let columns = 1; columns <= 120; columns++) {
    const { heading, row } = layOutRows([info], { ...options, columns });
    t.true(width(heading) <= columns && width(row(info)) <= columns, `${columns}`);
    if (columns >= 42) t.true(row(info).startsWith(info.name), `${columns}`);
  }
  t.regex(layOutRows([info], { ...options, columns: 44 }).row(info), /● ready$/);
});

test("characters that take two columns count as two", (t) => {
  const info = readyInfo({ preset: "日本語".repeat(10), origins: [] });
  for (const columns of [30, 45, 61]) {
    t.true(width(layOutRows([info], { ...options, columns }).row(info)) <= columns);
  }
});
