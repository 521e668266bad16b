import test from "ava";
import { placeSchema, readAnswer, textAt, valueAt } from "../../src/grants/place.ts";

const answer = readAnswer({
  status: 200,
  headers: { "x-token": " abc ", "set-cookie": "sid=old; Path=/, sid=new; HttpOnly" },
  setCookies: ["sid=old; Path=/", "sid=new==; HttpOnly", "gone=x; Max-Age=0", "sidecar=no"],
  text: '{"data":{"token":" t ","id":12345678901234567890,"no":null},"tokens":[{"value":"first"}]}',
});

test("values by pointer, by header and by cookie", (t) => {
  t.is(valueAt("/data/token", answer), " t ");
  t.is(textAt("/data/token", answer), "t");
  t.is(textAt("/tokens/0/value", answer), "first");
  t.is(textAt("/data/id", answer), "12345678901234567890");
  t.is(textAt("header:X-Token", answer), "abc");
  t.is(textAt("cookie:sid", answer), "new==");
  t.is(textAt("text", answer), answer.text);
  for (const place of [
    "/data",
    "/data/no",
    "/nothing",
    "header:X-No",
    "header:constructor",
    "cookie:gone",
    "cookie:side",
  ]) {
    t.is(textAt(place, answer), undefined, place);
  }
});

test("a body of one JSON string is that string, and a form has members", (t) => {
  const json = { status: 200, headers: {}, text: '"abc"' };
  t.is(textAt("text", readAnswer(json)), "abc");
  const form = { status: 200, headers: {}, text: "access_token=a%20b&instance_url=x" };
  t.is(textAt("/instance_url", readAnswer(form)), "x");
  t.is(textAt("text", readAnswer({ status: 200, headers: {}, text: "123" })), "123");
});

test("places of a credential file: a bare name is a member, and what is no place is refused", (t) => {
  t.is(placeSchema.parse("accessToken"), "/accessToken");
  t.is(placeSchema.parse("id_token"), "/id_token");
  for (const place of ["text", "/text", "/data/0", "header:X-Token", "cookie:sid"]) {
    t.is(placeSchema.parse(place), place);
  }
  for (const place of [
    "",
    "data.token",
    "data/token",
    "/a~2",
    "header:",
    "header:a b",
    "cookie:a=b",
    "body",
  ]) {
    t.is(placeSchema.safeParse(place).success, place === "body", place);
  }
});
