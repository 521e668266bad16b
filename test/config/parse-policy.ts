import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";
import { temporaryFolder } from "../helpers/folder.ts";

type File = Record<string, unknown>;

const resolve = (file: File, defaults: File = {}) =>
  resolveCredential("demo", { grant: "static", ...file }, defaults, { configDir: "/nowhere" });
const policyOf = (file: File, defaults: File = {}) => resolve(file, defaults).policy;
const bindingOf = (file: File) => resolve(file).binding;

const refuses = test.macro((t, file: File, message: RegExp) => {
  const error = t.throws(() => resolve(file), { instanceOf: AuthdError, message });
  t.is(error?.reason, "invalid_params");
});

test("without a word about it nothing is limited, and the binding is as it always was", (t) => {
  t.is(policyOf({}), undefined);
  t.is(policyOf({ expose: "token", allow: [], deny: [] }), undefined);
  t.is(bindingOf({ expose: "token", allow: [], deny: [] }), bindingOf({}));
});

test("every key of a rule", (t) => {
  const { uid } = userInfo();
  const policy = policyOf({
    expose: "request",
    confirm: "session",
    methods: ["get"],
    paths: ["/v2/*"],
    allow: [
      {
        name: "backup",
        executable: "/opt/no/such/backup",
        sha256: "AB".repeat(32),
        unit: "backup.service",
        user: uid,
        group: 50,
        scope: ["write read"],
        audience: ["https://api.example"],
        methods: ["post"],
        paths: ["/v2/tickets"],
        confirm: "always",
        rate: "60/m",
        until: "2027-01-31",
      },
      {},
    ],
    deny: [{ unit: "editor.service" }],
  });
  t.deepEqual(policy, {
    warnings: ["the rule backup matches no program: /opt/no/such/backup is not there"],
    expose: "request",
    confirm: "session",
    methods: ["GET"],
    paths: ["/v2/*"],
    allow: [
      {
        name: "backup",
        who: {
          executable: "/opt/no/such/backup",
          sha256: "ab".repeat(32),
          unit: "backup.service",
          uid,
          gid: 50,
        },
        scopes: ["read write"],
        audiences: ["https://api.example"],
        methods: ["POST"],
        paths: ["/v2/tickets"],
        confirm: "always",
        rate: { count: 60, perMs: 60_000 },
        until: Date.UTC(2027, 1, 1),
      },
      { name: "allow[2]", who: {} },
    ],
    deny: [{ name: "deny[1]", who: { unit: "editor.service" } }],
  });
  t.true(Object.isFrozen(policy?.allow[0]?.who));
});

test("a scope is a set, in rules too", (t) => {
  t.deepEqual(policyOf({ allow: [{ scope: ["b a", "c"] }] })?.allow[0]?.scopes, ["a b", "c"]);
});

test("an executable is named as the kernel will, links resolved", (t) => {
  const dir = temporaryFolder(t);
  writeFileSync(join(dir, "real-program"), "");
  symlinkSync(join(dir, "real-program"), join(dir, "program"));
  const policy = policyOf({ allow: [{ executable: join(dir, "program") }] });
  t.is(policy?.allow[0]?.who.executable, join(dir, "real-program"));
});

test("a rule that can match no program is told of, and no more: it may be installed later", (t) => {
  const dir = temporaryFolder(t);
  const [script, program] = [join(dir, "job.sh"), join(dir, "job")];
  writeFileSync(script, "#!/bin/sh\n");
  writeFileSync(program, "\x7fELF");
  const rules = { allow: [{ executable: script, name: "job" }, { executable: program }] };
  const policy = policyOf({
    ...rules,
    deny: [{ executable: join(dir, "gone") }, { executable: dir }],
  });
  t.deepEqual(policy?.warnings, [
    `the rule job matches no program: ${script} is a script, and what the kernel names is the interpreter that runs it`,
    `the rule deny[1] matches no program: ${join(dir, "gone")} is not there`,
    `the rule deny[2] matches no program: ${dir} is no file`,
  ]);
  t.is(policyOf({ allow: [{ executable: program }] })?.warnings, undefined);
});

test("groups by name", (t) => {
  const [name, , gid] = readFileSync("/etc/group", "utf8").split("\n", 1)[0]!.split(":");
  t.is(policyOf({ allow: [{ group: name }] })?.allow[0]?.who.gid, Number(gid));
});

test("users by name", (t) => {
  const { username, uid } = userInfo();
  t.is(policyOf({ allow: [{ user: username }] })?.allow[0]?.who.uid, uid);
  t.is(policyOf({ allow: [{ user: "0" }] })?.allow[0]?.who.uid, 0);
});

for (const program of [
  "/bin/sh",
  "/usr/bin/python3.12",
  process.execPath,
  "/opt/authd/bin/authd",
]) {
  test(
    `an interpreter vouches for nobody: ${program.split("/").at(-1)}`,
    refuses,
    { allow: [{ executable: program }] },
    /allow\[1\]\.executable: .* runs whatever it is told to/,
  );
}

test("an interpreter may be denied", (t) => {
  t.is(policyOf({ deny: [{ executable: process.execPath }] })?.deny.length, 1);
});

test("a link to an interpreter", (t) => {
  const dir = temporaryFolder(t);
  symlinkSync("/bin/sh", join(dir, "backup"));
  t.throws(() => policyOf({ allow: [{ executable: join(dir, "backup") }] }), {
    message: /runs whatever it is told to/,
  });
});

test("a relative path", refuses, { allow: [{ executable: "backup" }] }, /absolute path/);
test("an unknown key", refuses, { allow: [{ exe: "/x" }] }, /no key/);
test("confirm in a deny rule", refuses, { deny: [{ confirm: "first" }] }, /no key/);
test("a rate", refuses, { allow: [{ rate: "fast" }] }, /"60\/m"/);
test("a digest", refuses, { allow: [{ sha256: "abc" }] }, /64 hexadecimal/);
test("a date", refuses, { allow: [{ until: "soon" }] }, /until/);
test("a rule's name that authd uses", refuses, { allow: [{ name: "default" }] }, /name/);
test("a rule's name that steers a terminal", refuses, { allow: [{ name: "a\u001b[2J" }] }, /name/);
test("a user", refuses, { allow: [{ user: "no-such-user-here" }] }, /no user "no-such-user-here"/);
test("a user that is an option", refuses, { allow: [{ user: "--help" }] }, /no user/);
test("a group", refuses, { allow: [{ group: "no-such-group-here" }] }, /no group/);
test("exposure", refuses, { expose: "all" }, /expose/);
test(
  "methods beside the token",
  refuses,
  { methods: ["GET"] },
  /methods binds .* expose = "request"/,
);
test(
  "a rule's paths beside the token",
  refuses,
  { allow: [{ paths: ["/a"] }] },
  /allow\[1\]\.paths binds/,
);
test("a path", refuses, { expose: "request", paths: ["v2"] }, /paths: "v2" must be/);
test("a star inside", refuses, { expose: "request", paths: ["/a/*/b"] }, /must be/);
test(
  "a path that URLs spell otherwise",
  refuses,
  { expose: "request", paths: ["/a/../b"] },
  /must be/,
);

test("a rule may limit methods where its caller gets requests only", (t) => {
  t.is(policyOf({ allow: [{ expose: "request", methods: ["GET"] }] })?.allow.length, 1);
});

test("defaults are a default policy; a file's list replaces theirs", (t) => {
  const defaults = { expose: "request", allow: [{ unit: "a.service" }] };
  t.is(policyOf({}, defaults)?.allow[0]?.who.unit, "a.service");
  const own = policyOf({ allow: [{ unit: "b.service" }] }, defaults);
  t.deepEqual([own?.expose, own?.allow.map(({ who }) => who.unit)], ["request", ["b.service"]]);
});

const BASE = { expose: "request", methods: ["GET"], allow: [{ unit: "a.service" }] };
const edits: Record<string, File> = {
  "the token is exposed": { expose: undefined, methods: undefined },
  "another method": { methods: ["GET", "POST"] },
  "every path": { paths: ["/*"] },
  "nobody is asked": { confirm: "first" },
  "another program": { allow: [{ unit: "b.service" }] },
  "one more rule": { allow: [{ unit: "a.service" }, { unit: "b.service" }] },
  "a rate": { allow: [{ unit: "a.service", rate: "1/s" }] },
  "somebody denied": { deny: [{ unit: "b.service" }] },
};
for (const [what, edit] of Object.entries(edits)) {
  test(`another binding: ${what}`, (t) => {
    t.not(bindingOf({ ...BASE, ...edit }), bindingOf(BASE));
  });
}

test("a rule may say that nobody is asked; the credential as a whole may not", (t) => {
  t.is(policyOf({ confirm: "first", allow: [{ confirm: "never" }] })?.allow[0]?.confirm, "never");
  t.throws(() => resolve({ confirm: "never" }), { instanceOf: AuthdError });
});

test(
  "two rules of one name",
  refuses,
  { allow: [{ name: "a" }, { name: "a" }] },
  /two \[\[allow\]\] rules are called "a"/,
);
