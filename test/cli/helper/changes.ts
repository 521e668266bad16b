/** What helpers write into other programs' settings, and that undoing leaves these as they were. */

import { existsSync, lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Change, kindOf } from "../../../src/helpers/setup/change.ts";
import { temporaryFolder } from "../../helpers/folder.ts";

const SECTION = { section: "[credential]", key: "helper", lines: ["\thelper = authd"] };

/** Makes a change to a file with this content; undefined: there is none. Returns what is there then. */
function made(t: ExecutionContext, before: string | undefined, change: object) {
  const path = join(temporaryFolder(t), "settings");
  if (before !== undefined) writeFileSync(path, before, { mode: 0o640 });
  const wanted = { path, ...change } as Change;
  const kind = kindOf(wanted);
  const done = kind.make(wanted);
  t.is(kind.state(done), "made");
  t.deepEqual(kind.preview(done), [], "made once only");
  const undo = (edit: (text: string) => string = (text) => text) => {
    writeFileSync(path, edit(readFileSync(path, "utf8")));
    kind.undo(JSON.parse(JSON.stringify(done)));
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  };
  return { path, done, text: readFileSync(path, "utf8"), undo };
}

for (const [what, before, after] of [
  ["no file", undefined, "[credential]\n\thelper = authd\n"],
  ["an empty file", "", "[credential]\n\thelper = authd\n"],
  [
    "other sections",
    "[user]\n\tname = me\n",
    "[user]\n\tname = me\n\n[credential]\n\thelper = authd\n",
  ],
  [
    "no newline at the end",
    "[user]\n\tname = me",
    "[user]\n\tname = me\n\n[credential]\n\thelper = authd\n",
  ],
  [
    "the section",
    "[credential]\n\thelper = x\n\n[user]\n",
    "[credential]\n\thelper = x\n\thelper = authd\n\n[user]\n",
  ],
  [
    "the section at the end",
    "[credential]\n\thelper = x\n",
    "[credential]\n\thelper = x\n\thelper = authd\n",
  ],
  [
    "an open section at the end",
    "[credential]\n\thelper = x",
    "[credential]\n\thelper = x\n\thelper = authd\n",
  ],
  ["an empty section", "[credential]\n[user]\n", "[credential]\n\thelper = authd\n[user]\n"],
] as const) {
  test(`lines into ${what}, and out again`, (t) => {
    const { text, undo } = made(t, before, { kind: "lines", ...SECTION });
    t.is(text, after);
    t.is(undo(), before);
  });
}

test("lines into a file without sections, and out again", (t) => {
  const change = { kind: "lines", key: "//x/:tokenHelper", lines: ["//x/:tokenHelper=/y"] };
  for (const before of [undefined, "a=b\n", "a=b"]) {
    const { text, undo } = made(t, before, change);
    t.is(text, `${before === undefined ? "" : "a=b\n"}//x/:tokenHelper=/y\n`);
    t.is(undo(), before);
  }
});

test("lines without a section stand before the first one, and go again", (t) => {
  const change = { kind: "lines", key: "k", lines: ["k = 1"], once: true };
  for (const [before, after] of [
    ["[a]\nx = 1\n", "k = 1\n[a]\nx = 1\n"],
    ["y = 2\n\n[[a]]\nk = 3\n", "y = 2\nk = 1\n\n[[a]]\nk = 3\n"],
  ] as const) {
    const { text, undo } = made(t, before, change);
    t.is(text, after);
    t.is(undo(), before);
  }
});

for (const [what, section, before, after] of [
  ["a comment behind it", "[a]", "[a] # mine\n[b]\n", "[a] # mine\nk = 1\n[b]\n"],
  ["blanks in it", "[a]", "[ a ]\nx = 1\n", "[ a ]\nx = 1\nk = 1\n"],
  [
    "a list of lists",
    "[a]",
    '[a]\nx = [\n["y"],\n["z"]\n]\n',
    '[a]\nx = [\n["y"],\n["z"]\n]\nk = 1\n',
  ],
  ["a list of its name", "[a]", "[[a]]\nx = 1\n", "[[a]]\nx = 1\n\n[a]\nk = 1\n"],
  [
    "another with quotes behind it",
    "[a]",
    "[a]\nx = 1\n[b.'c(d, e)']\nk = 2\n",
    "[a]\nx = 1\nk = 1\n[b.'c(d, e)']\nk = 2\n",
  ],
  [
    "an address in it",
    '[credential "https://[::1]:3000"]',
    '[credential "https://[::1]:3000"]\n[user]\n',
    '[credential "https://[::1]:3000"]\nk = 1\n[user]\n',
  ],
] as const) {
  test(`lines into a section whose header has ${what}`, (t) => {
    const change = { kind: "lines", section, key: "k", lines: ["k = 1"], once: true };
    const { text, undo } = made(t, before, change);
    t.is(text, after);
    t.is(undo(), before);
  });
}

test("a file that would not be valid afterwards stays as it is", (t) => {
  const path = join(temporaryFolder(t), "config.toml");
  const change: Change = {
    ...{ kind: "lines", path, section: "[registry]", key: "providers", once: true },
    lines: ["providers = []"],
  };
  for (const before of [
    'registry = { default = "x" }\n',
    'registry.providers = ["x"]\n',
    "a = [\n",
  ]) {
    writeFileSync(path, before);
    t.throws(() => kindOf(change).make(change), {
      message: /by hand:\n\[registry\]\nproviders = \[\]$/,
    });
    t.is(readFileSync(path, "utf8"), before);
  }
  const latin1 = Buffer.from("[user]\nname = Bj\xf6rn\n", "latin1");
  const into: Change = { ...change, path: join(temporaryFolder(t), "config") };
  writeFileSync(into.path, latin1);
  t.throws(() => kindOf(into).make(into), { message: /is not UTF-8/ });
  t.deepEqual(readFileSync(into.path), latin1);
});

test("lines that people write as well stay if they were there before", (t) => {
  const change = { kind: "lines", key: "k", lines: ["k = 1"], once: true, isCommon: true };
  const { undo, text } = made(t, "k = 1\n", change);
  t.is(text, "k = 1\n");
  t.is(undo(), "k = 1\n");
  t.is(made(t, "x = 1\n", change).undo(), "x = 1\n");
});

test("what somebody added to a list of ours stays a list", (t) => {
  const change = { kind: "lines", key: "plugins", lines: ["plugins:", "  - ours"], once: true };
  for (const [edited, left] of [
    ["plugins:\n  - ours\n  - mine\nx: 1\n", "plugins:\n  - mine\nx: 1\n"],
    ["plugins:\n  - mine\n  - ours\nx: 1\n", "plugins:\n  - mine\nx: 1\n"],
    ["plugins:\n  - ours\nx:\n  - y\n", "x:\n  - y\n"],
  ] as const)
    t.is(
      made(t, undefined, change).undo(() => edited),
      left,
    );
});

test("a file of authd's own, and away again; another's is left alone", (t) => {
  const change = { kind: "file", content: "ours\n" };
  const { path, text, undo } = made(t, undefined, change);
  t.is(text, "ours\n");
  t.is(undo(), undefined);
  writeFileSync(path, "mine\n");
  const into = { ...change, path } as Change;
  t.throws(() => kindOf(into).make(into), { message: /move it away/ });
  kindOf(into).undo(into);
  t.is(readFileSync(path, "utf8"), "mine\n");
});

test("what somebody wrote beside our lines stays", (t) => {
  const { undo } = made(t, "[user]\n", { kind: "lines", ...SECTION });
  t.is(
    undo((text) => `${text}\tusername = me\n`),
    "[user]\n\n[credential]\n\tusername = me\n",
  );
  const inside = made(t, undefined, { kind: "lines", ...SECTION });
  t.is(
    inside.undo((text) => text.replace("]\n", "]\n\tuser = me\n")),
    "[credential]\n\tuser = me\n",
  );
  const removed = made(t, "[user]\n", { kind: "lines", ...SECTION });
  t.is(
    removed.undo(() => "[user]\n\tname = me\n"),
    "[user]\n\tname = me\n",
  );
  const changed = made(t, undefined, { kind: "lines", ...SECTION });
  t.is(
    changed.undo(() => "[credential]\n\thelper = mine\n"),
    "[credential]\n\thelper = mine\n",
  );
});

test("a key that a section can have once is left to who wrote it", (t) => {
  const path = join(temporaryFolder(t), "config");
  writeFileSync(path, "[profile x]\ncredential_process = mine\n");
  const key = "credential_process";
  const change: Change = {
    ...{ kind: "lines", path, section: "[profile x]", key, once: true },
    lines: [`${key} = authd`],
  };
  const error = t.throws(() => kindOf(change).make(change), { message: /credential_process/ });
  t.regex(error!.message, /remove it, then install again/);
  t.is(readFileSync(path, "utf8"), "[profile x]\ncredential_process = mine\n");
});

test("a value into JSON, and out again", (t) => {
  const change = { kind: "json", at: ["credHelpers", "ghcr.io"], value: "authd" };
  for (const before of [
    undefined,
    "{}\n",
    '{\n\t"auths": {}\n}',
    '{\n  "credHelpers": {\n    "x": "y",\n    "ghcr.io": "other"\n  }\n}\n',
  ]) {
    const { text, undo } = made(t, before, change);
    t.is(JSON.parse(text).credHelpers["ghcr.io"], "authd");
    t.is(undo(), before);
  }
  const { undo } = made(t, undefined, change);
  t.is(
    undo((text) => text.replace('"authd"', '"mine"')),
    '{\n\t"credHelpers": {\n\t\t"ghcr.io": "mine"\n\t}\n}\n',
  );
  const list = made(t, '{ "credHelpers": null }\n', { ...change, at: ["other"] });
  const instead = { ...change, path: list.path } as Change;
  t.throws(() => kindOf(instead).make(instead), { message: /credHelpers is no object/ });
  const broken = join(temporaryFolder(t), "config.json");
  writeFileSync(broken, "{");
  const into = { ...change, path: broken } as Change;
  t.throws(() => kindOf(into).make(into), { message: /is no JSON object/ });
});

test("a program, and away again; another's is left alone", (t) => {
  const change = { kind: "program", command: ["/a b/authd", "helper", "docker"] };
  const { path, text, undo } = made(t, undefined, change);
  t.regex(text, /^#!\/bin\/sh\n.*\nexec '\/a b\/authd' helper docker "\$@"\n$/);
  t.is(statSync(path).mode & 0o777, 0o755);
  t.is(undo(), undefined);
  writeFileSync(path, "#!/bin/sh\nmine\n");
  const into = { ...change, path } as Change;
  t.throws(() => kindOf(into).make(into), { message: /somebody else's/ });
  kindOf(into).undo(into);
  t.is(readFileSync(path, "utf8"), "#!/bin/sh\nmine\n");
});

test("a link to the program that is run does as well, and stays", (t) => {
  const folder = temporaryFolder(t);
  const [native, path] = [join(folder, "authd"), join(folder, "docker-credential-authd")];
  writeFileSync(native, "practice");
  symlinkSync(native, path);
  const command = [native, "helper", "docker"];
  const change: Change = { kind: "program", path, command };
  const kind = kindOf(change);
  t.deepEqual(kind.preview(change), []);
  kind.undo(kind.make(change));
  t.is(readFileSync(path, "utf8"), "practice");
  t.true(lstatSync(path).isSymbolicLink());
});

test("a link to a settings file stays one, and a file keeps its mode", (t) => {
  const folder = temporaryFolder(t);
  const [file, path] = [join(folder, "dotfiles"), join(folder, "link")];
  writeFileSync(file, "[user]\n", { mode: 0o640 });
  symlinkSync(file, path);
  const change: Change = { kind: "lines", path, ...SECTION };
  kindOf(change).make(change);
  t.true(lstatSync(path).isSymbolicLink());
  t.regex(readFileSync(file, "utf8"), /helper = authd/);
  t.is(statSync(file).mode & 0o777, 0o640);
});
