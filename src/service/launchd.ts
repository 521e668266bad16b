import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Launch, templatePath } from "./launch.ts";
import type { ServiceManager } from "./manager.ts";

const LABEL = "authd";
/** launchd's word for the user's login session; it has no meaning on other systems. */
const DOMAIN = `gui/${process.getuid?.() ?? 0}`;
const TARGET = `${DOMAIN}/${LABEL}`;

/** A LaunchAgent of macOS, from the file in launchd/. */
export const launchd: ServiceManager = {
  name: "launchd",
  // An XML declaration must stay the first line.
  comment: { open: "<!--", close: " -->", line: 1 },
  files: (launch, env) => [{ path: agentPath(env), content: agent(launch, env) }],
  commandIn: (content) => {
    const array = /<key>ProgramArguments<\/key>\s*<array>(.*?)<\/array>/s.exec(content)?.[1];
    return array?.match(/(?<=<string>)[^<]*(?=<\/string>)/g)?.map(unescapeXml);
  },
  start: (paths) => [
    { argv: ["launchctl", "bootout", TARGET], optional: true },
    { argv: ["launchctl", "enable", TARGET] },
    { argv: ["launchctl", "bootstrap", DOMAIN, ...paths] },
  ],
  stop: () => [{ argv: ["launchctl", "bootout", TARGET], optional: true }],
  forget: [],
  state: async (ask) => {
    const { code, stdout } = await ask("launchctl", "print", TARGET);
    if (code === undefined) return {};
    return { enabled: code === 0, active: /^[ \t]*state = running$/m.test(stdout) };
  },
  customize: "keep a copy of your own under another name",
  hints: async (_ask, env) => [`Its log is ${logPath(env)}`],
};

function agentPath(env: NodeJS.ProcessEnv): string {
  return join(env.HOME || homedir(), "Library", "LaunchAgents", `${LABEL}.plist`);
}

function logPath(env: NodeJS.ProcessEnv): string {
  return join(env.HOME || homedir(), "Library", "Logs", "authd.log");
}

function agent({ node, main, variables }: Launch, env: NodeJS.ProcessEnv): string {
  const words = [node, main, "serve"].map((word) => `    ${string(word)}\n`);
  const environment = Object.entries(variables).map(([name, value]) => pair("    ", name, value));
  return readFileSync(templatePath(`launchd/${LABEL}.plist`), "utf8")
    .replace(/<!--\n.*?-->\n/s, "")
    .replace(/(<key>ProgramArguments<\/key>\s*<array>\n).*?(?= *<\/array>)/s, (_, head: string) =>
      head.concat(...words),
    )
    .replace(/(<key>EnvironmentVariables<\/key>\s*<dict>\n.*?)(?= *<\/dict>)/s, (head) =>
      head.concat(...environment),
    )
    .replace(/<\/dict>\n<\/plist>/, (end) => pair("  ", "StandardErrorPath", logPath(env)) + end);
}

function pair(indent: string, key: string, value: string): string {
  return `${indent}<key>${escapeXml(key)}</key>\n${indent}${string(value)}\n`;
}

function string(text: string): string {
  return `<string>${escapeXml(text)}</string>`;
}

const ENTITIES: readonly (readonly [string, string])[] = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
];

function escapeXml(text: string): string {
  return ENTITIES.reduce((escaped, [plain, entity]) => escaped.replaceAll(plain, entity), text);
}

function unescapeXml(text: string): string {
  return ENTITIES.toReversed().reduce(
    (plain, [character, entity]) => plain.replaceAll(entity, character),
    text,
  );
}
