import test from "ava";
import { reveals, tokensIn } from "../../src/grants/redaction.ts";

const SECRET = 'pr4ctice+Secret/of"you';
const bytes = Buffer.from(SECRET);

for (const [spelling, text] of [
  ["plain", SECRET],
  ["in capitals", SECRET.toUpperCase()],
  ["percent-encoded", encodeURIComponent(SECRET)],
  ["percent-encoded twice", encodeURIComponent(encodeURIComponent(SECRET))],
  ["every byte percent-encoded", bytes.toString("hex").replace(/../g, "%$&")],
  ["in a form", new URLSearchParams({ SECRET }).toString()],
  ["JSON-escaped", JSON.stringify(SECRET)],
  ["JSON-escaped, each character", [...SECRET].map((c) => `\\u00${hex(c)}`).join("")],
  ["as entities", [...SECRET].map((c) => `&#x${hex(c)};`).join("")],
  ["as decimal entities", [...SECRET].map((c) => `&#${c.charCodeAt(0)};`).join("")],
  ["base64", bytes.toString("base64")],
  ["base64url", bytes.toString("base64url")],
  ["base64 inside of something longer", Buffer.from(`app:${SECRET}`).toString("base64")],
  ["base64url, at another offset", Buffer.from(`id:x:${SECRET}!`).toString("base64url")],
  ["base64, percent-encoded", encodeURIComponent(bytes.toString("base64"))],
  ["base64 on lines", bytes.toString("base64").replace(/(.{8})/g, "$1\r\n")],
  ["hexadecimal", bytes.toString("hex")],
  ["hexadecimal in capitals", bytes.toString("hex").toUpperCase()],
  ["hexadecimal with colons", bytes.toString("hex").replace(/..(?!$)/g, "$&:")],
  ["hexadecimal, each byte apart", bytes.toString("hex").replace(/../g, "0x$& ")],
  ["with invisible characters", [...SECRET].join("\u200b")],
] as const) {
  test(`a secret is found ${spelling}`, (t) => {
    t.true(reveals(`we do not know ${text} here`, ["another one", SECRET]), text);
  });
}

function hex(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(2, "0");
}

test("a secret of letters that others have, too, is found in its spellings", (t) => {
  t.true(reveals("the key is grün", ["grün"]));
  t.true(reveals(`the key is ${encodeURIComponent("grün")}`, ["grün"]));
  t.true(reveals("the key is YWI=", ["ab"]));
});

test("what holds none of them is shown", (t) => {
  const said = "AADSTS7000215: Invalid client secret provided. Trace ID: 0f1e2d3c-4b5a";
  t.false(reveals(said, [SECRET, "", "zebra-1", "0a0b"]));
  t.false(reveals("", [SECRET]));
});

test("the tokens of an answer, wherever they stand", (t) => {
  const json = {
    error: "invalid_grant",
    error_description: "no",
    trace_id: "t-1",
    data: { accessToken: "a", list: [{ refresh_token: "b" }], tokens: ["c", "d"] },
  };
  const headers = { "x-auth-token": "e", "content-type": "application/json" };
  t.deepEqual(tokensIn({ text: JSON.stringify(json), headers }).sort(), ["a", "b", "c", "d", "e"]);
  t.deepEqual(tokensIn({ text: "error=x&id_token=f", headers: {} }), ["f"]);
  t.deepEqual(tokensIn({ text: "<html>", headers: {} }), []);
});
