/** The Task Scheduler of Windows starts the daemon whenever its user logs on. */
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { stateDir } from "../config/directories.ts";
import type { Launch } from "./launch.ts";
import type { ServiceManager, Step } from "./manager.ts";
import { escapeXml, unescapeXml } from "./plist.ts";

/** The one name for all users of the machine that an earlier authd gave its task. */
const SHARED_NAME = "authd";
/** The most that the schema of tasks allows (unsignedByte). */
const RESTARTS = 255;
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
    schtasks("/Create", "/TN", nameIn(task), "/XML", task, "/F"),
    schtasks("/Run", "/TN", nameIn(task)),
  ],
  stop([task = ""]) {
    const name = nameIn(task);
    return [...stopOf(task), ...(name === SHARED_NAME ? [] : [deletionOf(name)])];
  },
  async outdated([task = ""], ask) {
    const { code, stdout } = await ask("schtasks", "/Query", "/TN", SHARED_NAME, "/XML");
    // Windows tells an account in any case of its letters; of the principal it tells a number.
    const [theirs, ours] = [stdout, textOf(task)].map((text) => triggerUser(text).toLowerCase());
    return code === 0 && theirs !== "" && theirs === ours ? [deletionOf(SHARED_NAME)] : [];
  },
  forget: [],
  // Whether it runs is told in the language of the system only.
  state: async (ask, [task = ""]) => ({
    enabled: (await ask("schtasks", "/Query", "/TN", nameIn(task))).code === 0,
  }),
  customize: "make a task of your own under another name",
  hints: async () => ["Its window, which shows its log, belongs to it: closing that ends authd."],
};

function commandIn(content: string): string[] | undefined {
  const line = `"${partOf(content, "Command")}" ${partOf(content, "Arguments")}`;
  const [, node, main] = /"([^"]+)" "([^"]+)" serve"?$/.exec(line) ?? [];
  return node === undefined || main === undefined ? undefined : [node, main, "serve"];
}

function partOf(content: string, name: string): string {
  return unescapeXml(new RegExp(`<${name}>([^<]*)</${name}>`).exec(content)?.[1] ?? "");
}

const textOf = (task: string) => (existsSync(task) ? readFileSync(task, "utf8") : "");

/** Returns the name of the task of a file. */
const nameIn = (task: string) => partOf(textOf(task), "URI").slice(1) || SHARED_NAME;

const triggerUser = (content: string) =>
  partOf(/<LogonTrigger>.*<\/LogonTrigger>/s.exec(content)?.[0] ?? "", "UserId");

/** Lets the daemon end by itself: what the Task Scheduler ends is ended at once. */
function stopOf(task: string): Step[] {
  const [node, main] = commandIn(textOf(task)) ?? [];
  if (node === undefined || main === undefined) return [];
  return [{ argv: [node, main, "stop"], optional: true }];
}

const schtasks = (...words: string[]): Step => ({ argv: ["schtasks", ...words] });

const deletionOf = (name: string) => schtasks("/Delete", "/TN", name, "/F");

/** Returns the program, and its arguments. A task has no variables of its own: cmd.exe sets them. */
function commandLine({ node, main, variables }: Launch): [string, string] {
  const settings = Object.entries(variables).map(([name, value]) => `set "${name}=${value}"& `);
  if (settings.length === 0) return [node, `"${main}" serve`];
  return ["cmd.exe", `/d /s /c "${settings.join("")}"${node}" "${main}" serve"`];
}

function taskOf(launch: Launch, env: NodeJS.ProcessEnv): string {
  const user = accountOf(env);
  const [command, words] = commandLine(launch);
  return `<?xml version="1.0"?>
<Task version="1.2" xmlns="${NAMESPACE}">
  <RegistrationInfo>
    <URI>\\${xml(taskNameOf(user))}</URI>
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
      <Count>${RESTARTS}</Count>
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

function accountOf({ USERDOMAIN, USERNAME }: NodeJS.ProcessEnv): string {
  const name = USERNAME || userInfo().username;
  return USERDOMAIN ? `${USERDOMAIN}\\${name}` : name;
}

/** All users of the machine have their tasks in one folder, as names of files. */
const taskNameOf = (account: string) => `authd-${account.replace(/[\\/:*?"<>|]/g, "-")}`;

/** In ASCII, which reads the same in every code page. */
function xml(text: string): string {
  return escapeXml(text).replace(/[^\t -~]/gu, (one) => `&#${one.codePointAt(0)};`);
}
