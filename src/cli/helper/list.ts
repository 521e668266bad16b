import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import { home, stateDir } from "../../config/directories.ts";
import { helpers } from "../../helpers/index.ts";
import { type Change, kindOf } from "../../helpers/setup/change.ts";
import { whyNotFound } from "../../helpers/setup/program.ts";
import { type Installed, readInstalled } from "../../helpers/setup/record.ts";
import { callDaemon } from "../call-daemon.ts";
import { print, printJson } from "../output.ts";
import { painter, plain } from "../style.ts";
import { table } from "../table.ts";

/** A part of a tool's setup: one `--for`, or everything. */
interface Part {
  target?: string;
  credential?: string;
  /** What is broken; absent: nothing. */
  fault?: string;
}

interface Tool {
  tool: string;
  summary: string;
  parts: Part[];
}

/** Lists every tool, what was set up, and what is broken of it. */
export async function list({ json = false }: { json?: boolean }): Promise<void> {
  const installed = readInstalled(stateDir(process.env));
  const names = await credentialNames();
  const tools = await Promise.all(
    Object.keys(helpers).map(async (tool): Promise<Tool> => {
      const { summary } = helpers[tool]!;
      return { tool, summary, parts: await partsOf(tool, installed[tool], names) };
    }),
  );
  if (json) return printJson({ helpers: tools });
  const paint = painter(process.stdout);
  const rows = tools.flatMap(({ tool, summary, parts }) =>
    parts.length === 0
      ? [[tool, paint("dim", "not set up"), summary]]
      : parts.map(({ target = "everything", credential, fault }) => [
          tool,
          fault === undefined ? paint("green", "set up") : paint("red", "broken"),
          plain(fault ?? (credential === undefined ? target : `${target}: ${credential}`)),
        ]),
  );
  print(...table(rows));
}

/** Undefined: no daemon answers. */
async function credentialNames(): Promise<readonly string[] | undefined> {
  try {
    return (await callDaemon("credentials/list", {})).credentials.map(({ name }) => name);
  } catch {
    return undefined;
  }
}

async function partsOf(
  tool: string,
  entry: Installed | undefined,
  names: readonly string[] | undefined,
): Promise<Part[]> {
  if (!entry) return [];
  const targets = new Set(entry.changes.map(({ target }) => target));
  // What belongs to no target is for all of them.
  if (targets.size > 1) targets.delete(undefined);
  return await Promise.all(
    Array.from(targets, async (target): Promise<Part> => {
      const changes = entry.changes.filter((one) => one.target === target || !one.target);
      const credential = changes.find((one) => one.credential !== undefined)?.credential;
      const fault =
        goneOf(entry) ?? faultOf(changes, credential, names) ?? (await leakOf(tool, entry, target));
      return {
        ...(target === undefined ? {} : { target }),
        ...(credential === undefined ? {} : { credential }),
        ...(fault === undefined ? {} : { fault }),
      };
    }),
  );
}

function goneOf({ command }: Installed): string | undefined {
  const missing = command.find((word) => isAbsolute(word) && !existsSync(word));
  return missing === undefined ? undefined : `${missing} is gone`;
}

async function leakOf(tool: string, { command }: Installed, target: string | undefined) {
  const { leaks } = await helpers[tool]!.load();
  const wanted = target === undefined ? [] : [{ target }];
  const options = { env: process.env, home: home(process.env), command, wanted };
  return (await leaks?.(options))?.[0];
}

const WORDS = { gone: "is not there any more", changed: "was changed since" } as const;

function faultOf(
  changes: readonly Change[],
  credential: string | undefined,
  names: readonly string[] | undefined,
): string | undefined {
  for (const change of changes) {
    const state = kindOf(change).state(change);
    if (state !== "made") return `what was written to ${change.path} ${WORDS[state]}`;
    const why = whyNotFound(change, process.env.PATH);
    if (why !== undefined) return why;
  }
  const isGone = credential !== undefined && names !== undefined && !names.includes(credential);
  return isGone ? `there is no credential ${credential}` : undefined;
}
