import test from "ava";
import { render } from "../../src/base/template.ts";
import { functionNames } from "../../src/base/template-functions.ts";

/** Vectors that others published, by function: a value, the rest of the template, the result. */
const vectors: Record<string, [from: string, value: string, template: string, result: string]> = {
  base64: ["RFC 4648 section 10", "foobar", "{v|base64}", "Zm9vYmFy"],
  hex: ["RFC 4648 section 10", "foobar", "{v|hex}", "666f6f626172"],
  sha256: [
    "FIPS 180-2 appendix B.1",
    "abc",
    "{v|sha256}",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  ],
  sha1: ["RFC 3174", "abc", "{v|sha1}", "a9993e364706816aba3e25717850c26c9cd0d89d"],
  md5: ["RFC 1321 appendix A.5", "abc", "{v|md5}", "900150983cd24fb0d6963f7d28e17f72"],
  hmac_sha256: [
    "RFC 4231 section 4.3",
    "what do ya want for nothing?",
    "{v|hmac_sha256:secret.key}",
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  ],
  basic: [
    "RFC 7617 section 2",
    "Aladdin",
    "{v|basic:secret.password}",
    "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
  ],
  url: ["RFC 3986 section 2.5", "À ア", "{v|url}", "%C3%80%20%E3%82%A2"],
  json: ["ECMA-404 section 9", 'a"\\\n', "{v|json}", '"a\\"\\\\\\n"'],
  totp: [
    "RFC 6238 appendix B, the last 6 of its 8 digits",
    "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    "{v|totp}",
    "287082",
  ],
};

for (const [name, [from, value, template, result]] of Object.entries(vectors)) {
  test(`the function ${name} gives what ${from} says`, (t) => {
    const others = { "secret.key": "Jefe", "secret.password": "open sesame", now_ms: "59000" };
    t.is(render(template, { v: value, ...others }), result);
  });
}

test("every function has a published vector", (t) => {
  t.deepEqual(Object.keys(vectors).sort(), [...functionNames].sort());
});

test("functions work one after the other; a digest is bytes, written in hexadecimal at the end", (t) => {
  const values = { v: "abc" };
  t.is(render("{v|sha1|base64}", values), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
  t.is(
    render("{v|sha1|hex|base64}", values),
    Buffer.from(render("{v|sha1}", values)).toString("base64"),
  );
  t.is(render("<{v | md5}>", values), "<900150983cd24fb0d6963f7d28e17f72>");
  t.is(render("{v|md5|json}", values), '"900150983cd24fb0d6963f7d28e17f72"');
  t.is(render("{v|basic}", values), "Basic YWJjOg==");
});
