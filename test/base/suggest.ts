import test from "ava";
import { didYouMean, suggest } from "../../src/base/suggest.ts";

const keys = ["token_url", "client_id", "client_secret", "scope", "ttl"];

test("the nearest name is suggested: a letter missing, too many, wrong or swapped, or the wrong case", (t) => {
  for (const [typed, meant] of [
    ["tokenurl", "token_url"],
    ["client__id", "client_id"],
    ["clixnt_id", "client_id"],
    ["socpe", "scope"],
    ["TTL", "ttl"],
    ["CLIENT_SECRET", "client_secret"],
  ] as const) {
    t.is(suggest(typed, keys), meant, typed);
  }
});

test("nothing is suggested for what is not near to anything", (t) => {
  for (const typed of ["", "x", "password", "zzzzzzzz", "constructor", "t".repeat(10_000)]) {
    t.is(suggest(typed, keys), undefined, typed.slice(0, 20));
  }
});

test("a tie goes to the first", (t) => {
  t.is(suggest("cat", ["bat", "hat"]), "bat");
});

test("the sentence is ready to append", (t) => {
  t.is(didYouMean("scop", keys), ' Did you mean "scope"?');
  t.is(didYouMean("nothing like it", keys), "");
});
