import { existsSync } from "node:fs";
import { makeFolder } from "../../base/make-folder.ts";
import { NATIVE_COMMAND } from "../../base/native-command.ts";
import { home, stateDir } from "../../config/directories.ts";
import { AuthdError } from "../../errors.ts";
import type { HelperRow, Wanted } from "../../helpers/helper.ts";
import { findCredential, mappingChange } from "../../helpers/mapping.ts";
import { parsePlace } from "../../helpers/places.ts";
import { type Change, isInPlaceOf, kindOf } from "../../helpers/setup/change.ts";
import { whyNotFound } from "../../helpers/setup/program.ts";
import { readInstalled, writeInstalled } from "../../helpers/setup/record.ts";
import { launchOf } from "../../service/launch.ts";
import { nativeLinkPath, nativeLinkState } from "../../service/native-link.ts";
import { callDaemon } from "../call-daemon.ts";
import { print } from "../output.ts";
import { plain } from "../style.ts";
import { rowOf } from "./tools.ts";

interface InstallFlags {
  for?: readonly string[];
  dryRun?: boolean;
}

/** Shows the changes to the tool's settings, and makes them: all, or none if one can't be made. */
export async function install(tool: string, flags: InstallFlags): Promise<void> {
  const row = rowOf(tool);
  const wanted = (flags.for ?? []).map(parseWanted);
  await assertKnown(tool, row, wanted);
  const command = await commandWords();
  const options = { env: process.env, home: home(process.env), command, wanted };
  const helper = await row.load();
  const planned = [...mappings(tool, row, wanted), ...(await helper.changes(options))];
  const installed = readInstalled(stateDir(process.env));
  const before = installed[tool]?.changes ?? [];
  const steps = stepsFor(before, planned);
  show(steps);
  if (flags.dryRun) return;
  makeFolder(stateDir(process.env), 0o700);
  const made = makeAll(steps);
  const kept = before.filter((one) => !planned.some((change) => isInPlaceOf(one, change)));
  const entry = { command, changes: [...kept, ...made] };
  writeInstalled(stateDir(process.env), { ...installed, [tool]: entry });
  for (const change of made) {
    const why = whyNotFound(change, process.env.PATH);
    if (why !== undefined) process.stderr.write(`authd: ${why}\n`);
  }
  for (const leak of (await helper.leaks?.(options)) ?? [])
    process.stderr.write(`authd: ${plain(leak)}\n`);
  print(`${tool} asks authd from now on; authd helper uninstall ${tool} undoes it.`);
}

/** One change, and what an earlier install wrote in its place. */
interface Step {
  change: Change;
  replaced: Change | undefined;
}

function stepsFor(before: readonly Change[], planned: readonly Change[]): Step[] {
  return planned.map((change) => {
    const replaced = before.find((one) => isInPlaceOf(one, change));
    return { change, replaced };
  });
}

function show(steps: readonly Step[]): void {
  let shown: string | undefined;
  for (const { change, replaced } of steps) {
    const isSame = kindOf(change).state(change) === "made";
    const lines = isSame
      ? []
      : [
          ...(replaced ? kindOf(replaced).undoing(replaced) : []),
          ...kindOf(change).preview(change),
        ];
    if (lines.length === 0) continue;
    if (change.path !== shown) print(`${change.path}:`);
    shown = change.path;
    print(...lines.map((line) => `  ${line}`));
  }
  if (shown === undefined) print("Everything is there already.");
}

/** Makes all changes, or none: if one fails, those before it are undone, but for what was there already. */
function makeAll(steps: readonly Step[]): Change[] {
  const all: Change[] = [];
  const made: Change[] = [];
  const undone: Change[] = [];
  try {
    for (const { change, replaced } of steps) {
      const { state, make } = kindOf(change);
      const isThere = state(change) === "made";
      if (replaced && !isThere) {
        kindOf(replaced).undo(replaced);
        undone.push(replaced);
      }
      const done = isThere && replaced ? replaced : make(change);
      if (!isThere) made.push(done);
      all.push(done);
    }
    return all;
  } catch (error) {
    for (const change of made.toReversed()) kindOf(change).undo(change);
    for (const change of undone) kindOf(change).make(change);
    throw error;
  }
}

function mappings(tool: string, row: HelperRow, wanted: readonly Wanted[]): Change[] {
  if (!row.asksByHost) return [];
  return wanted.flatMap(({ target, credential }) =>
    credential === undefined
      ? []
      : [mappingChange(stateDir(process.env), tool, target, credential)],
  );
}

/** `github.com=github`; without a name the credential is found by its origins. */
function parseWanted(text: string): Wanted {
  const at = text.lastIndexOf("=");
  if (at === -1) return { target: text };
  const [target, credential] = [text.slice(0, at), text.slice(at + 1)];
  if (target && credential) return { target, credential };
  throw new AuthdError("invalid_params", `--for ${text}: write it like github.com=NAME`);
}

/** Throws AuthdError `invalid_params` or `unknown_credential` for a `--for` without a credential. */
async function assertKnown(tool: string, row: HelperRow, wanted: readonly Wanted[]): Promise<void> {
  if (wanted.length === 0) return;
  const { credentials } = await callDaemon("credentials/list", {});
  for (const { target, credential } of wanted) {
    if (credential === undefined) {
      const found =
        row.asksByHost &&
        (await findCredential(tool, parsePlace(target), [], async () => credentials));
      if (found) continue;
      const message = `Which credential is for ${target}? authd helper install ${tool} --for ${target}=NAME`;
      throw new AuthdError("invalid_params", message);
    }
    if (row.asksByHost) parsePlace(target);
    if (credentials.some(({ name }) => name === credential)) continue;
    throw new AuthdError("unknown_credential", `There is no credential ${credential}.`, {
      credential,
    });
  }
}

/** Returns the words that run authd: the native command if it is built, else Node and main.js. */
async function commandWords(): Promise<string[]> {
  const link = nativeLinkPath(process.env, "authd");
  if (nativeLinkState(link, NATIVE_COMMAND) === "ours") return [link];
  if (existsSync(NATIVE_COMMAND)) return [NATIVE_COMMAND];
  const { node, main } = await launchOf(process.env);
  return [node, main];
}
