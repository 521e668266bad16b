import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import test from "ava";
import { invocation, quote } from "../../src/sandbox/invocation.ts";
import { temporaryFolder } from "../helpers/folder.ts";

test("says authd if that is what a shell finds, otherwise Node and the script", (t) => {
  const folder = temporaryFolder(t);
  const main = join(folder, "main.js");
  writeFileSync(main, "");
  const script = `${quote(process.execPath)} ${quote(main)}`;
  t.is(invocation(main, {}), script);

  const bin = join(folder, "bin");
  mkdirSync(bin);
  t.is(invocation(main, { PATH: bin }), script);
  symlinkSync(main, join(bin, "authd"));
  t.is(invocation(main, { PATH: ["/nonexistent", bin].join(delimiter) }), "authd");
});

test("another program of that name, and what npx puts into the PATH for a moment, do not count", (t) => {
  const folder = temporaryFolder(t);
  const main = join(folder, "main.js");
  const bin = join(folder, "node_modules", ".bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(main, "");
  symlinkSync(main, join(bin, "authd"));
  const other = join(folder, "bin");
  mkdirSync(other);
  writeFileSync(join(other, "authd"), "");
  t.not(invocation(main, { PATH: [bin, other].join(delimiter) }), "authd");
});

test("quotes for a POSIX shell what needs it", (t) => {
  t.is(quote("/usr/bin/node"), "/usr/bin/node");
  t.is(quote("/My Tools/authd's"), "'/My Tools/authd'\\''s'");
  t.is(quote("https://api.example/Property?$top=2"), "'https://api.example/Property?$top=2'");
});
