import { randomBytes } from "node:crypto";
import test from "ava";
import type { AuthdError } from "../../src/errors.ts";
import { recordKey } from "../../src/vault/derived-key.ts";
import { generationOf, RECORD_ALGORITHM, seal, unseal } from "../../src/vault/sealed-file.ts";

const key = randomBytes(32);
const plaintext = Buffer.from('{"secret":"open sesame"}');
const sealed = () => seal(key, "k1", "labelf", plaintext);
const open = (file: Buffer, name = "labelf", keyId = "k1") => unseal(key, keyId, name, file);
const damaged = { name: "AuthdError", message: /The sealed file of "labelf" can't be opened/ };

test("what was sealed is opened again, for every length", (t) => {
  for (const length of [0, 1, 15, 16, 17, 100_000]) {
    const bytes = randomBytes(length);
    t.deepEqual(open(seal(key, "k1", "labelf", bytes)), bytes);
  }
});

test("the first line is readable and the rest is not", (t) => {
  const file = sealed();
  const end = file.indexOf("\n");
  t.deepEqual(JSON.parse(file.subarray(0, end).toString()), {
    authd: "sealed",
    format: 1,
    alg: "A256GCM",
    keyId: "k1",
  });
  t.is(file.length, end + 1 + 12 + plaintext.length + 16);
  t.false(file.includes("sesame"));
});

test("no two files of the same content are alike", (t) => {
  const nonces = Array.from({ length: 100 }, () => sealed().subarray(-52, -40).toString("hex"));
  t.is(new Set(nonces).size, 100);
});

test("one flipped bit anywhere is noticed", (t) => {
  const good = sealed();
  for (let bit = 0; bit < good.length * 8; bit++) {
    const file = Buffer.from(good);
    file[bit >> 3]! ^= 1 << (bit & 7);
    const error = t.throws<AuthdError>(() => open(file), damaged, `bit ${bit}`);
    t.is(error?.reason, "credential_damaged");
    t.is(error?.credential, "labelf");
  }
});

test("a file cut short anywhere, or made longer, is noticed", (t) => {
  const good = sealed();
  for (let length = 0; length < good.length; length++)
    t.throws(() => open(good.subarray(0, length)), damaged, `${length} bytes`);
  t.throws(() => open(Buffer.concat([good, Buffer.from("x")])), damaged);
});

test("an authentication tag cut to 4 bytes is refused", (t) => {
  t.throws(() => open(sealed().subarray(0, -12)), damaged);
});

test("another credential's file is refused", (t) => {
  t.throws(() => open(seal(key, "k1", "zebbra", plaintext)), damaged);
});

test("a file sealed with another key is refused, and says so", (t) => {
  t.throws(() => open(sealed(), "labelf", "k2"), { message: /another vault's key/ });
  t.throws(() => unseal(randomBytes(32), "k1", "labelf", sealed()), damaged);
});

test("a newer format is told from damage", (t) => {
  const file = Buffer.from('{"authd":"sealed","format":2,"alg":"?"}\nwhatever comes then');
  t.throws(() => open(file), { message: /made by a newer authd, so update authd/ });
});

test("what is no sealed file at all is refused", (t) => {
  for (const text of ["", "\n", "{}\n", "null\n", "[]\nx", "not a header\nx", "x".repeat(5000)])
    t.throws(() => open(Buffer.from(text)), damaged, text.slice(0, 20));
});

test("what is sealed with the key of one record opens with the vault's key, under its own name alone", (t) => {
  const own = recordKey(key, "labelf");
  const file = seal(own, "k1", "labelf", plaintext, 3, RECORD_ALGORITHM);
  t.deepEqual(open(file), plaintext);
  t.is(generationOf(file), 3);
  t.throws(() => open(file, "zebbra"), { name: "AuthdError" });
  const another = seal(recordKey(key, "zebbra"), "k1", "labelf", plaintext, 3, RECORD_ALGORITHM);
  t.throws(() => open(another), damaged);
  // Without the vault's key the record's opens nothing that the vault's has sealed.
  t.throws(() => unseal(own, "k1", "labelf", sealed()), damaged);
});
