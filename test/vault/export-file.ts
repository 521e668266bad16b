import test from "ava";
import type { AuthdError } from "../../src/errors.ts";
import { openExport, sealExport } from "../../src/vault/export-file.ts";

const about = { created: "2026-01-31T12:00:00.000Z", credentials: 2 };
const content = Buffer.from('{"credentials":[]}');

const fails = (message: RegExp) => ({ message, name: "AuthdError" });

test("what was sealed opens with the passphrase, however it was typed; the first line is readable", async (t) => {
  const file = await sealExport("caf\u00e9 12", about, content);
  const { header, plaintext } = await openExport("cafe\u0301 12", file);
  t.deepEqual(plaintext, content);
  const { salt, ...readable } = JSON.parse(file.subarray(0, file.indexOf("\n")).toString());
  t.deepEqual(header, { salt, ...readable });
  t.is(Buffer.from(salt, "base64").length, 16);
  t.deepEqual(readable, {
    ...{ authd: "export", format: 1, alg: "A256GCM", kdf: "scrypt", N: 131_072, r: 8, p: 1 },
    ...about,
  });
  t.false(file.includes('credentials":[]'));
});

test("a wrong passphrase is told from a file that was altered or cut short", async (t) => {
  const file = await sealExport("the right one", about, content);
  const error = await t.throwsAsync<AuthdError>(
    openExport("another one", file),
    fails(/passphrase is wrong/),
  );
  t.is(error?.reason, "invalid_params");
  const start = file.indexOf("\n") + 1;
  for (const [at, message] of [
    [file.indexOf("2026"), /passphrase is wrong, or the file's beginning was altered/],
    [start + 5, /passphrase is wrong, or the file's beginning was altered/],
    [start + 28, /passphrase is right, but the file was cut short or altered/],
    [file.length - 1, /passphrase is right, but the file was cut short or altered/],
  ] as const) {
    const flipped = Buffer.from(file);
    flipped[at]! ^= 1;
    await t.throwsAsync(openExport("the right one", flipped), fails(message), `byte ${at}`);
  }
  for (const [length, message] of [
    [0, /no file that authd vault export made/],
    [start - 5, /no file that authd vault export made/],
    [start + 40, /cut short/],
    [file.length - 1, /cut short or altered/],
  ] as const) {
    await t.throwsAsync(openExport("the right one", file.subarray(0, length)), fails(message));
  }
});

test("a hostile first line costs nothing", async (t) => {
  const file = await sealExport("p", about, content);
  const end = file.indexOf("\n");
  const header = JSON.parse(file.subarray(0, end).toString());
  const open = (changed: object) =>
    openExport(
      "p",
      Buffer.concat([Buffer.from(JSON.stringify({ ...header, ...changed })), file.subarray(end)]),
    );
  for (const changed of [
    { N: 2 ** 27 },
    { N: 2 ** 19 },
    { N: 100_000 },
    { N: "131072" },
    { N: 2 },
    { r: 1024 },
    { p: 1_000 },
    { p: 1.5 },
    { salt: 7 },
    { kdf: "none" },
    { alg: "none" },
    { format: 0 },
  ]) {
    await t.throwsAsync(
      open(changed),
      fails(/names a format, or a cost of scrypt/),
      JSON.stringify(changed),
    );
  }
  await t.throwsAsync(open({ format: 2 }), fails(/newer authd/));
  await t.throwsAsync(open({ authd: "sealed" }), fails(/no file that authd vault export made/));
});
