/** The Task Scheduler of Windows starts the daemon whenever its user logs on. */
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { stateDir } from "../config/directories.ts";
import type { Launch } from "./launch.ts";
import type { ServiceManager, Step } from "./manager.ts";
import { escapeXml, unescapeXml } from "./plist.ts";

const TASK = "authd";
const NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task";

export const taskScheduler: ServiceManager = {
  name: "Task Scheduler",
  comment: { open: "<!--", close: " -->", line: 1 },
  files: (launch, env) => [
    { path: join(stateDir(env, "win32"), "task.xml"), content: taskOf(launch, env) },
  ],
  commandIn,
  start: ([task = ""]) => [
    ...stopOf(task),
    schtasks("/Create", "/TN", TASK, "/XML", task, "/F"),
    schtasks("/Run", "/TN", TASK),
  ],
  stop: ([task = ""]) => [...stopOf(task), schtasks("/Delete", "/TN", TASK, "/F")],
  forget: [],
  // Whether it runs is told in the language of the system only.
  state: async (ask) => ({
    enabled: (await ask("schtasks", "/Query", "/TN", TASK)).code === 0,
  }),
  customize: "make a task of your own under another name",
  hints: async () => ["Its window, which shows its log, belongs to it: closing that ends authd."],
};

function commandIn(content: string): string[] | undefined {
  const part = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(content)?.[1] ?? "";
  const line = unescapeXml(`"${part("Command")}" ${part("Arguments")}`);
  const [, node, main] = /"([^"]+)" "([^"]+)" serve"?$/.exec(line) ?? [];
  return node === undefined || main === undefined ? undefined : [node, main, "serve"];
}

/** Lets the daemon end by itself: what the Task Scheduler ends is ended at once. */
function stopOf(task: string): Step[] {
  const [node, main] = existsSync(task) ? (commandIn(readFileSync(task, "utf8")) ?? []) : [];
  if (node === undefined || main === undefined) return [];
  return [{ argv: [node, main, "stop"], optional: true }];
}

const schtasks = (...words: string[]): Step => ({ argv: ["schtasks", ...words] });

/** Returns the program, and its arguments. A task has no variables of its own: cmd.exe sets them. */
function commandLine({ node, main, variables }: Launch): [string, string] {
  const settings = Object.entries(variables).map(([name, value]) => `set "${name}=${value}"& `);
  if (settings.length === 0) return [node, `"${main}" serve`];
  return ["cmd.exe", `/d /s /c "${settings.join("")}"${node}" "${main}" serve"`];
}

function taskOf(launch: Launch, env: NodeJS.ProcessEnv): string {
  const user = env.USERDOMAIN ? `${env.USERDOMAIN}\\${nameOf(env)}` : nameOf(env);
  const [command, words] = commandLine(launch);
  return `<?xml version="1.0"?>
<Task version="1.2" xmlns="${NAMESPACE}">
  <RegistrationInfo>
    <Description>Keeps API credentials, and their tokens fresh.</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <UserId>${xml(user)}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>${xml(user)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>3</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>${xml(command)}</Command>
      <Arguments>${xml(words)}</Arguments>
    </Exec>
  </Actions>
</Task>
`;
}

const nameOf = ({ USERNAME }: NodeJS.ProcessEnv) => USERNAME || userInfo().username;

/** In ASCII, which reads the same in every code page. */
function xml(text: string): string {
  return escapeXml(text).replace(/[^\t -~]/gu, (one) => `&#${one.codePointAt(0)};`);
}
