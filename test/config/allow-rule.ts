import test from "ava";
import { parse } from "smol-toml";
import { type Allowance, withAllowance } from "../../src/config/allow-rule.ts";
import { resolveCredential } from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";

const backup: Allowance = { executable: "/usr/bin/backup", kind: "token", asking: undefined };

const WRITTEN = `# A person allowed this for always.
[[allow]]
name = "backup"
executable = "/usr/bin/backup"
confirm = "never"
`;

test("a file without rules gets one, and another that keeps everybody else asked", (t) => {
  const text = `# mine\ngrant = "static" # a comment\nconfirm   =   "first"\n`;
  const { text: edited, file } = withAllowance(text, backup);
  t.is(
    edited,
    `${text}\n${WRITTEN}\n# Everybody else is asked, as before.\n[[allow]]\nname = "everybody else"\n`,
  );
  t.deepEqual(file, parse(edited) as object);
});

test("the next stands before the rule that asked, and before the comment above that", (t) => {
  const first = withAllowance('confirm = "first"', backup).text;
  const second = { ...backup, executable: "/opt/sync/backup", asking: 1 };
  const { text, file } = withAllowance(first, second);
  t.deepEqual(
    (file.allow as { name: string }[]).map(({ name }) => name),
    ["backup", "backup 2", "everybody else"],
  );
  t.regex(
    text,
    /"never"\n\n# Everybody else is asked, as before\.\n\[\[allow\]\]\nname = "everybody else"\n$/,
  );
});

test("it keeps the limits of the rule that asked", (t) => {
  const text = `grant = "static"

[[allow]] # by the unit
unit = "x.service"

# Deletes are dangerous.
# Ask.
  [[ "allow" ]]
name = "deletes"
confirm = "first"
expose = "request"
methods = ["DELETE"]
rate = "1/m"

[fields]
a = "b"
`;
  const { text: edited, file } = withAllowance(text, { ...backup, kind: "request", asking: 1 });
  t.deepEqual((file.allow as object[])[1], {
    name: "backup",
    confirm: "never",
    expose: "request",
    methods: ["DELETE"],
    rate: "1/m",
    executable: "/usr/bin/backup",
  });
  const start = text.indexOf("# Deletes");
  t.true(edited.startsWith(text.slice(0, start)));
  t.true(edited.endsWith(text.slice(start)));
});

test("who asked for requests is not given the token", (t) => {
  const { file } = withAllowance('confirm = "first"', { ...backup, kind: "request" });
  t.like(file.allow, [{ expose: "request" }, { name: "everybody else" }] as never);
});

test("lines end as they did", (t) => {
  const { text } = withAllowance('confirm = "first"\r\n', backup);
  t.notRegex(text, /[^\r]\n/);
});

test("a path is text, whatever is in it", (t) => {
  const executable = '/tmp/"]]\n[[deny]]\\é';
  const { file } = withAllowance('confirm = "first"', { ...backup, executable });
  const [rule, rest] = file.allow as { name: string; executable?: string }[];
  t.like(rule, { executable, confirm: "never" });
  t.is(rest?.name, "everybody else");
  t.is(
    resolveCredential("x", { grant: "static", ...file }, {}, { configDir: "/" }).policy?.allow
      .length,
    2,
  );
  t.is(file.deny, undefined);
});

test("a program that is called as a rule of authd's own", (t) => {
  for (const program of ["default", "allow", "-x", ".hidden"]) {
    const { file } = withAllowance("", { ...backup, executable: `/opt/${program}` });
    t.is((file.allow as { name: string }[])[0]?.name, `program ${program}`);
  }
});

for (const [what, text, asking] of [
  ["rules in one line", 'allow = [{ name = "a", confirm = "first" }]\n', 0],
  ["what only looks like a rule", 'note = """\n[[allow]]\n"""\n[[allow]]\nconfirm = "first"\n', 0],
  ["an empty list of rules", "allow = []\n", undefined],
] as const) {
  test(`${what}: left to a person`, (t) => {
    const error = t.throws(() => withAllowance(text, { ...backup, asking }), {
      instanceOf: AuthdError,
      message: /can't be added to this file: write an \[\[allow\]\] table with executable = "\/usr/,
    });
    t.is(error?.reason, "invalid_params");
  });
}
