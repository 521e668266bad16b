/** What each helper writes into its tool's settings, and that nothing of it is left afterwards. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Wanted } from "../../../src/helpers/helper.ts";
import { helpers } from "../../../src/helpers/index.ts";
import { kindOf } from "../../../src/helpers/setup/change.ts";
import { temporaryFolder } from "../../helpers/folder.ts";

const COMMAND = ["/a b/authd"];

/** Makes what this tool needs in a home folder, and compares its settings; `OWN` stands for authd's programs. */
async function setUp(
  t: ExecutionContext,
  tool: string,
  wanted: readonly Wanted[],
  expected: Readonly<Record<string, RegExp>>,
): Promise<void> {
  const home = temporaryFolder(t);
  const helper = await helpers[tool]!.load();
  const changes = await helper.changes({ env: {}, home, command: COMMAND, wanted });
  const made = changes.map((change) => kindOf(change).make(change));
  for (const change of made) t.is(kindOf(change).state(change), "made");
  const texts = Object.fromEntries(
    filesIn(home).map((name) => [name, readFileSync(join(home, name), "utf8")]),
  );
  t.deepEqual(Object.keys(texts).sort(), Object.keys(expected).sort());
  for (const [name, pattern] of Object.entries(expected)) t.regex(texts[name]!, pattern);
  for (const change of made.toReversed()) kindOf(change).undo(change);
  t.deepEqual(filesIn(home), []);
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );

const runs = (...words: string[]) =>
  new RegExp(`\nexec '/a b/authd' helper ${words.join(" ")} "\\$@"\n$`);
const OWN = ".local/share/authd/helpers";
const to = (target: string, credential = "mine"): Wanted => ({ target, credential });

const SETUPS: readonly [string, readonly Wanted[], Readonly<Record<string, RegExp>>][] = [
  [
    "cargo",
    [],
    {
      ".cargo/bin/cargo-credential-authd": runs("cargo"),
      ".cargo/config.toml":
        /^\[registry\]\nglobal-credential-providers = \["cargo:token", "\/.*\/bin\/cargo-credential-authd"\]\n$/,
    },
  ],
  [
    "pip",
    [],
    {
      ".local/bin/keyring": runs("pip"),
      ".config/pip/pip.conf": /^\[global\]\nkeyring-provider = subprocess\n$/,
      ".config/uv/uv.toml": /^keyring-provider = "subprocess"\n$/,
    },
  ],
  [
    "twine",
    [],
    {
      [`${OWN}/authd_keyring.py`]: /\nCOMMAND = \["\/a b\/authd","helper","twine"\]\n/,
      ".config/python_keyring/keyringrc.cfg":
        /^\[backend\]\ndefault-keyring=authd_keyring\.Keyring\nkeyring-path=\/.*\/authd\/helpers\n$/,
    },
  ],
  [
    "pnpm",
    [to("npm.example/a/b"), to("npm.example/a-b"), to("localhost:4873")],
    {
      [`${OWN}/pnpm-npm.example%2Fa%2Fb`]: runs("pnpm", "npm.example/a/b"),
      [`${OWN}/pnpm-npm.example%2Fa-b`]: runs("pnpm", "npm.example/a-b"),
      [`${OWN}/pnpm-localhost%3A4873`]: runs("pnpm", "localhost:4873"),
      ".npmrc":
        /^\/\/npm\.example\/a\/b\/:tokenHelper=\/.*%2Fb\n\/\/npm\.example\/a-b\/:.*%2Fa-b\n\/\/localhost:4873\/:.*%3A4873\n$/,
    },
  ],
  [
    "yarn",
    [],
    {
      [`${OWN}/yarn-plugin.cjs`]: /execFile\("\/a b\/authd", \["helper", "yarn", registry\]/,
      ".yarnrc.yml": /^plugins:\n {2}- "\/.*\/yarn-plugin\.cjs"\n$/,
    },
  ],
  [
    "terraform",
    [],
    {
      ".terraform.d/plugins/terraform-credentials-authd": runs("terraform"),
      ".terraformrc": /^credentials_helper "authd" \{\}\n$/,
    },
  ],
  [
    "bazel",
    [to("cache.example:8443"), to("files.example/x")],
    {
      [`${OWN}/bazel-credential-helper`]: runs("bazel"),
      ".bazelrc":
        /^common --credential_helper=cache\.example=\/.*helper\ncommon --credential_helper=files\.example=\/.*helper\n$/,
    },
  ],
  ["bazel", [], { [`${OWN}/bazel-credential-helper`]: /./, ".bazelrc": /_helper=\/.*helper\n$/ }],
  [
    "agent",
    [to("claude"), to("codex:acme")],
    {
      ".claude/settings.json": /"apiKeyHelper": "'\/a b\/authd' helper agent mine"/,
      ".codex/config.toml":
        /^\[model_providers\.acme\.auth\]\ncommand = "\/a b\/authd"\nargs = \["helper","agent","mine"\]\n$/,
    },
  ],
];

for (const [tool, wanted, expected] of SETUPS) {
  const names = wanted.map(({ target }) => target).join(" ");
  test(`${tool} ${names}: what is written, and undone`, async (t) => {
    await setUp(t, tool, wanted, expected);
  });
}

test("Google's file gets the command, and is as it was afterwards", async (t) => {
  const path = join(temporaryFolder(t), "google.json");
  const before =
    '{\n  "credential_source": {\n    "executable": {\n      "timeout_millis": 5000\n    }\n  }\n}\n';
  writeFileSync(path, before);
  const { changes } = await helpers.gcp!.load();
  const options = { env: {}, home: "/", command: COMMAND, wanted: [to(path)] };
  const [change] = await changes(options);
  const made = kindOf(change!).make(change!);
  t.is(
    JSON.parse(readFileSync(path, "utf8")).credential_source.executable.command,
    "'/a b/authd' helper gcp mine",
  );
  kindOf(made).undo(made);
  t.is(readFileSync(path, "utf8"), before);
});

test("tools that need to be told more say what", async (t) => {
  const home = temporaryFolder(t);
  for (const [tool, targets, complaint] of [
    ["pnpm", [], /--for HOST\[\/PATH\]=NAME/],
    ["gcp", [], /--for FILE=NAME/],
    ["agent", [], /--for claude=NAME/],
    ["agent", [to("other")], /"other" is unknown/],
    ["mail", [], /set imap_oauth_refresh_command="'\/a b\/authd' helper mail NAME"/],
  ] as const) {
    const { changes } = await helpers[tool]!.load();
    const install = async () => await changes({ env: {}, home, command: COMMAND, wanted: targets });
    await t.throwsAsync(install, { message: complaint });
  }
  writeFileSync(join(home, ".terraformrc"), 'credentials_helper "other" {\n}\n');
  const { changes } = await helpers.terraform!.load();
  const install = async () => await changes({ env: {}, home, command: COMMAND, wanted: [] });
  await t.throwsAsync(install, { message: /another credentials_helper/ });
});
