/** Checks which authd runs where a person or a script types its name. */
import { accessSync, constants, existsSync, realpathSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { NATIVE_COMMAND } from "../../base/native-command.ts";
import { MAIN } from "../../base/package-path.ts";
import { recordedNodeCommand } from "../../service/native-link.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";

const INSTALL = "authd service install";

export const checkCommand: Check = ({ env }) => {
  if (process.platform === "win32") return [];
  const found = firstOnPath(env.PATH);
  if (found === undefined) return [ok("command", "there is no authd on the PATH")];
  const real = realpathSync(found);
  if (existsSync(NATIVE_COMMAND) && real === realpathSync(NATIVE_COMMAND))
    return [checkRecord(found)];
  if (real !== realpathSync(MAIN)) {
    const other = `${found} is another authd than this one, ${MAIN}`;
    return [warning("command", other, "remove it, or put this one before it on the PATH")];
  }
  const native = existsSync(NATIVE_COMMAND)
    ? `the native one is ${NATIVE_COMMAND}, and ${INSTALL} links it into ~/.local/bin`
    : "there is no native one";
  return [ok("command", `${found} is the Node command; ${native}`)];
};

/** Checks that the native command can hand to Node what it does not do. */
function checkRecord(path: string): Finding {
  const [node, main] = recordedNodeCommand(NATIVE_COMMAND);
  const missing = [node, main].find((each) => each === undefined || !existsSync(each));
  if (node === undefined || main === undefined) {
    return problem("command", `${path} is the native command, without a Node command`, INSTALL);
  }
  if (missing !== undefined) {
    const broken = `${path} is the native command; what it hands to ${missing} fails: nothing is there`;
    return problem("command", broken, INSTALL);
  }
  return ok("command", `${path} is the native command; the rest is done by ${node} ${main}`);
}

function firstOnPath(path = ""): string | undefined {
  return path
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, "authd"))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
