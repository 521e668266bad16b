/** Helpers that answer from arguments and a little standard input: rows of cases.json, by both commands. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { start } from "../helpers/child.ts";
import { MAIN } from "../helpers/daemon.ts";
import { startHelperDaemon } from "../helpers/helper-daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { copyNative, NODE_COMMAND } from "../helpers/native.ts";
import { onLinux } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

interface Row {
  args: string[];
  input?: string;
  env?: NodeJS.ProcessEnv;
  code: number;
  /** A regular expression for stdout and stderr together. */
  says?: string;
  /** The Node command does it, or a part of it. */
  handedOver?: boolean;
}

const { helpers } = JSON.parse(readFileSync(join(ROOT, "test/native/cases.json"), "utf8")) as {
  helpers: Row[];
};

const table = (tool: string, hosts: Readonly<Record<string, string>>) =>
  [
    `[${tool}]`,
    ...Object.entries(hosts).map((entry) => entry.map((word) => `"${word}"`).join(" = ")),
  ].join("\n");

const MAPPING = [
  table("cargo", { "cargo.example": "one", "mine.example": "mine", "key.example": "key" }),
  table("pip", {
    ...{ "pip.example": "one", "bot@pip.example/named": "one", "pip.example/basic": "basic" },
  }),
  table("twine", { "twine.example": "one" }),
  table("pnpm", { "pnpm.example/npm": "one", "key.example": "key" }),
  table("yarn", { "yarn.example": "one" }),
  table("terraform", { "terraform.example": "one" }),
  table("bazel", { "bazel.example": "one", "mine.example": "mine", "key.example": "key" }),
  table("docker", { "ghcr.io": "one", "me@registry.example:5000": "two" }),
].join("\n\n");

const CREDENTIALS = {
  one: "https://one.example",
  two: "https://two.example",
  three: "https://two.example",
  key: "https://key.example",
  basic: "https://basic.example",
};

onLinux("what tools ask is answered the same by both", async (t) => {
  const json = { access_token: "practice-token", token_type: "Bearer", expires_in: 3600 };
  const issuer = await startIssuer(t, () => ({ json }));
  const daemon = await startHelperDaemon(t, CREDENTIALS, `${MAPPING}\n`);
  const set = async (...words: string[]) => {
    const { code, stderr } = await daemon.cli(["set", ...words]);
    t.is(code, 0, stderr);
  };
  await set("key", "--set", "headers.x-api-key={token}");
  await set("basic", "--set", "headers.authorization=Basic bWU6cHJhY3RpY2U=");
  const secret = JSON.stringify({ client_secret: "practice" });
  const words = ["add", "mine", "--grant", "client_credentials", "--secrets-from", "-"];
  const settings = [`token_url=${issuer.url}`, "client_id=me", "origins=https://mine.example"];
  const added = await daemon.cli([...words, ...settings.flatMap((one) => ["--set", one])], {
    input: secret,
  });
  t.is(added.code, 0, added.stderr);
  const [alone, native] = [copyNative(t), copyNative(t, NODE_COMMAND)];

  const said = async (command: readonly string[], { args, input = "", env = {} }: Row) => {
    const [program = "", ...before] = command;
    const { child, ended } = start(t, program, [...before, "helper", ...args], {
      env: { ...daemon.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin!.on("error", () => {}).end(input);
    const { code, stdout, stderr } = await ended;
    return { code, stdout, stderr };
  };
  for (const row of helpers) {
    const title = `${row.args.join(" ")} ${row.input ?? ""}`;
    const byNode = await said([process.execPath, MAIN], row);
    t.deepEqual(await said([row.handedOver ? native : alone], row), byNode, title);
    t.is(byNode.code, row.code, `${title}: ${byNode.stderr}`);
    if (row.says) t.regex(byNode.stdout + byNode.stderr, new RegExp(row.says), title);
  }
  // Settings that only the Node command reads.
  writeFileSync(join(daemon.stateDir, "helpers.toml"), "cargo = { 'cargo.example' = 'one' }\n");
  const cargo = helpers.find(({ args }) => args[0] === "cargo")!;
  t.deepEqual(await said([native], cargo), await said([process.execPath, MAIN], cargo));
});
