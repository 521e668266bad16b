/** Every `authd helper` command of docs/helpers.md, as it stands there, and the settings that it shows. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { helpers } from "../../src/helpers/index.ts";
import { install } from "../helpers/bin.ts";
import { startHelperDaemon } from "../helpers/helper-daemon.ts";
import { readDocument } from "../helpers/markdown.ts";
import { absent, missing } from "../helpers/optional.ts";

const document = readDocument("docs/helpers.md");

/** What stands for the document's words in capitals. */
const WORDS: Readonly<Record<string, string>> = {
  ...{ HOST: "host.example", PATH: "path", NAME: "mine", ID: "token", CONTEXT: "practice" },
  ...{ FILE: "google.json", PROVIDER: "openai", TOOL: "git", USER: "me", N: "0" },
};

/** Names of the document's examples. */
const CREDENTIALS = ["mine", "github", "acme", "bitbucket", "gitea", "google", "azure", "role"];

const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{ name: practice, cluster: { server: "https://127.0.0.1:1" } }]
contexts: [{ name: practice, context: { cluster: practice } }]
`;

/** Every `authd helper …` of the document, with what is optional, and each word in capitals replaced. */
const COMMANDS = Array.from(
  document.text.matchAll(/(?:`|^\$ )(authd helper [a-z][^`\n]*)/gm),
  ([, command = ""]) => filled(command),
);

function filled(command: string): string {
  const whole = command.replaceAll(/[[\]]/g, "");
  return whole.replaceAll(/\b[A-Z]+\b/g, (word) => WORDS[word] ?? word).trim();
}

/** Installs of which a section tells the target alone. */
const targetsOf = (section: string, tool: string) =>
  Array.from(document.section(section).text.matchAll(/`(--for [^`]+)`/g), ([, words = ""]) =>
    filled(`authd helper install ${tool} ${words}`),
  );
const TARGETS = [
  ...targetsOf("docker, podman, skopeo", "docker"),
  ...targetsOf("Command lines of agents", "agent"),
];
const commandsOf = (action: string) =>
  Array.from(new Set(COMMANDS.filter((command) => command.startsWith(`authd helper ${action}`))));

/** A home with what the tools have there already, and a shell with authd. */
async function startHome(t: ExecutionContext) {
  const origins = CREDENTIALS.map((name) => [name, `https://${name}.example`]);
  const daemon = await startHelperDaemon(t, Object.fromEntries(origins));
  mkdirSync(join(daemon.folder, ".kube"));
  writeFileSync(join(daemon.folder, ".kube", "config"), KUBECONFIG);
  const { bash } = install(t, daemon.env);
  const inHome = (script: string) => bash(`cd ~ && ${script}`);
  await inHome(`echo '{"credential_source":{}}' > google.json`);
  return { ...daemon, bash: inHome };
}

test("each install of the document is one; list and uninstall know it", async (t) => {
  if (absent("kubectl").length > 0) return missing(t, "kubectl is not installed");
  const { folder, bash } = await startHome(t);
  const before = filesIn(folder);
  const installs = [...commandsOf("install "), ...TARGETS].filter((one) => !one.endsWith(" mail"));
  t.is(TARGETS.length, 3);
  const tools = new Set(installs.map((command) => command.split(" ")[3]!));
  t.deepEqual(
    [...tools].sort(),
    Object.keys(helpers)
      .filter((tool) => tool !== "mail")
      .sort(),
  );
  for (const command of installs) {
    // As root it would be the machine's own.
    const isDry = command.includes(" systemd");
    const { code, stderr } = await bash(isDry ? `${command} --dry-run` : command);
    t.is(code, 0, `${command}: ${stderr}`);
  }
  const { stdout } = await bash("PATH=$PATH:~/.local/bin authd helper list");
  for (const tool of tools)
    if (tool !== "systemd") t.regex(stdout, new RegExp(`^${tool} +set up `, "m"), tool);
  for (const tool of tools) t.is((await bash(`authd helper uninstall ${tool}`)).code, 0);
  t.deepEqual(filesIn(folder), before);
  const { stderr } = await bash("authd helper install mail");
  const lines = stderr.replaceAll(/\/\S+( \S+)? helper/g, "authd helper");
  for (const line of document.section("Mail programs").blocks("")[0]!.trim().split("\n"))
    t.true(lines.includes(line), line);
});

test("every other command of the document answers", async (t) => {
  const { bash } = await startHome(t);
  for (const command of commandsOf("agent ")) {
    const { code, stdout, stderr } = await bash(command);
    t.deepEqual([code, stdout], [0, "practice-token-of-mine\n"], stderr);
  }
  const rest = COMMANDS.filter((each) => !/^authd helper (install|agent|aws) /.test(each));
  t.deepEqual([...new Set(rest)].sort(), [...["authd helper list", "authd helper uninstall git"]]);
});

test("the settings that the document shows are those that are written", async (t) => {
  const { folder, stateDir, bash } = await startHome(t);
  const shown = (section: string, language: string, at = 0) =>
    document.section(section).blocks(language)[at] ?? "";
  // Where authd and cargo are, the document has an example's paths.
  const read = (path: string) =>
    readFileSync(join(folder, path), "utf8")
      .replaceAll(/(!exec |= )\/.* helper /g, "$1/home/me/.local/bin/authd helper ")
      .replaceAll(/"\/[^"]*(?=\/\.cargo\/)/g, '"/home/me');
  const installs = [
    ...["git --for github.com/acme=github", "docker --for ghcr.io=github"],
    ...["aws --for default=role", "cargo --for host.example=mine"],
  ];
  for (const words of installs) await bash(`authd helper install ${words}`);
  t.is(read(".gitconfig"), shown("git", "ini"));
  const docker = document.section("docker, podman, skopeo").blocks("json")[0] ?? "";
  t.deepEqual(JSON.parse(read(".docker/config.json")), JSON.parse(docker));
  t.is(read(".aws/config"), shown("AWS", "ini"));
  t.is(read(".cargo/config.toml"), shown("cargo", "toml"));

  writeFileSync(join(stateDir, "helpers.toml"), shown("Which credential a host gets", "toml"));
  for (const [asked, answered] of [
    ["protocol=https\nhost=github.com\npath=other/x.git", "username=oauth2\npassword=…github"],
    ["protocol=https\nhost=github.com\npath=acme/x.git", "username=oauth2\npassword=…acme"],
    ["protocol=https\nhost=bitbucket.org", "username=x-token-auth\npassword=…bitbucket"],
    ["protocol=http\nhost=localhost:3000", "username=oauth2\npassword=…gitea"],
    ["protocol=https\nhost=google.example", "username=oauth2\npassword=…google"],
    ["protocol=https\nhost=elsewhere.example", ""],
  ] as const) {
    const { stdout } = await bash(`authd helper git get <<'END'\n${asked}\nEND`);
    t.is(stdout.trim(), answered.replace("…", "practice-token-of-"), asked);
  }
});

/** Files that tools and authd's helpers have, without the daemon's own. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !/^(state|config|s)(\/|$)/.test(name) || /helpers\.\w+$/.test(name))
    .filter((name) => existsSync(join(folder, name)) && statSync(join(folder, name)).isFile())
    .filter((name) => !name.startsWith(".kube/cache"))
    .sort();
}
