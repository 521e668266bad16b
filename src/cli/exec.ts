import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import type { GetTokenResult } from "../protocol.ts";
import { callDaemon, FOR_A_PERSON_MS } from "./call-daemon.ts";
import { runChild } from "./exec/child.ts";
import { MemoryFiles } from "./exec/memory-files.ts";
import { type GivenPlaces, type Place, placesOf } from "./exec/places.ts";
import { Renewals } from "./exec/renewals.ts";

export function define(command: Command): void {
  const list = (value: string, all: string[] = []) => [...all, value];
  command
    .usage("[options] [name...] -- <command> [argument...]")
    .argument("[name...]", "a credential; its token is in NAME_TOKEN, unless an option names it")
    .option("--env <variable=name>", "put the token into this variable; may be repeated", list)
    .option(
      "--file <path=name>",
      "put it into a file in memory, and renew it; a name alone is in the folder AUTHD_TOKEN_DIR",
      list,
    )
    .option("--fd <number=name>", "let this file descriptor (from 3 on) read it", list)
    .action(exec);
}

export const examples = [
  "authd exec --env GH_TOKEN=github -- gh pr list",
  "authd exec --file token=metrics -- sh -c 'exec exporter --token-file \"$AUTHD_TOKEN_DIR/token\"'",
];

async function exec(_: string[], options: GivenPlaces, command: Command): Promise<void> {
  const { names, child } = split(command);
  const places = placesOf(names, options);
  const tokens = new Map<string, GetTokenResult>();
  for (const { credential } of places)
    if (!tokens.has(credential)) tokens.set(credential, await tokenOf(credential));
  process.exitCode = await runWith(places, tokens, child);
}

/** Parts the words at the first `--`: commander leaves it out. Throws AuthdError `invalid_params`. */
function split(command: Command): { names: string[]; child: string[] } {
  const words = (command.parent as unknown as { rawArgs: string[] }).rawArgs;
  const at = words.indexOf("--");
  const child = at === -1 ? [] : words.slice(at + 1);
  const names = command.args.slice(0, command.args.length - child.length);
  if (child.length > 0) return { names, child };
  throw new AuthdError(
    "invalid_params",
    "what to run stands behind --, as in: authd exec github -- gh pr list",
  );
}

/** Asks as long as the daemon takes, a person's answer included. */
async function tokenOf(credential: string): Promise<GetTokenResult> {
  const result = await callDaemon("getToken", { credential }, 35_000 + FOR_A_PERSON_MS);
  if (!result.accessToken.includes("\0")) return result;
  throw new AuthdError("request_failed", `${credential}: its token holds a NUL`, { credential });
}

/** Runs the child with every token in its place. Returns the exit code. */
async function runWith(
  places: readonly Place[],
  tokens: ReadonlyMap<string, GetTokenResult>,
  child: readonly string[],
): Promise<number> {
  const files = new MemoryFiles();
  const renewals = new Renewals(files);
  const prepare = () => {
    const env: NodeJS.ProcessEnv = { ...process.env };
    const descriptors = new Map<number, number>();
    for (const place of places) {
      const token = tokens.get(place.credential)!.accessToken;
      if (place.kind === "env") env[place.variable] = token;
      else if (place.kind === "fd") descriptors.set(place.number, files.descriptor(token));
      else files.add(place, token);
    }
    if (files.folder !== undefined) env.AUTHD_TOKEN_DIR = files.folder;
    renewals.start(tokens);
    return { env, descriptors };
  };
  try {
    return await runChild(child, prepare);
  } finally {
    renewals.stop();
    files.remove();
  }
}
