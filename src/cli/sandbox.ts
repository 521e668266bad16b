import { existsSync } from "node:fs";
import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import { interruptible, untilInterrupted } from "../sandbox/interrupt.ts";
import { openPlayground, type Playground } from "../sandbox/playground.ts";
import { type StepResult, TOUR_LIFETIMES, walk } from "../sandbox/tour.ts";
import { EXIT } from "./exit-code.ts";
import { print } from "./output.ts";
import { report } from "./print-error.ts";
import { description, refreshedLine, stateLine, stepLine, welcome } from "./sandbox-text.ts";
import { type Paint, painter } from "./style.ts";

export function define(command: Command): void {
  command
    .option("--once", "a scripted tour: exit 0 if every step worked")
    .option("--json", "print addresses for a program")
    .action(async (options: SandboxOptions) => {
      process.exitCode = await sandbox(options);
    });
}

export const examples = ["authd sandbox", "authd sandbox --once"];

interface SandboxOptions {
  once?: boolean;
  json?: boolean;
}

/** Token lifetimes in seconds: short enough that a person sees each of them renewed. */
const LIFETIMES = { labelf: 40, onestepai: 60, zebbra: 75, realtyna: 90 };

/**
 * Runs a daemon, four practice APIs and a credential for each until Ctrl-C or another signal; with
 * `once` a scripted tour instead. `json` prints one line for a program. Leaves nothing behind in any
 * case. Returns the exit code.
 */
function sandbox({ once = false, json = false }: SandboxOptions): Promise<number> {
  const paint = painter(process.stdout);
  return untilInterrupted(async (signal) => {
    try {
      return await (once ? runTour : stay)(signal, json, paint);
    } catch (error) {
      return signal.aborted ? EXIT.failed : report(error);
    }
  });
}

async function stay(signal: AbortSignal, json: boolean, paint: Paint): Promise<number> {
  const playground = await openPlayground({ lifetimes: LIFETIMES, logLevel: "info", signal });
  try {
    if (json) print(JSON.stringify(description(playground)));
    else {
      print(...welcome(playground, LIFETIMES, paint));
      await interruptible(follow(playground, paint), signal);
    }
    await interruptible(playground.ended, signal);
    throw new AuthdError("internal", "The sandbox's daemon has ended.");
  } catch (error) {
    // A signal ends the sandbox; before the sandbox runs, it is a failure.
    if (!signal.aborted) throw error;
  } finally {
    await playground.close();
  }
  if (!json) print("", paint("dim", "  Everything is put away."));
  return EXIT.done;
}

/** Prints a line for each refresh, and when a credential fails and recovers. */
async function follow({ client }: Playground, paint: Paint): Promise<void> {
  const troubled = new Set<string>();
  client.onNotification("token/refreshed", (event) => print(refreshedLine(event, paint)));
  client.onNotification("credential/stateChanged", (event) => {
    const isWell = ["idle", "refreshing", "ready"].includes(event.state);
    if (!isWell) troubled.add(event.credential);
    const isOver = event.state === "ready" && troubled.delete(event.credential);
    if (!isWell || isOver) print(stateLine(event, paint));
  });
  await client.subscribe();
}

/** Prints each step of the tour; with `json` one line with all steps, at the end. */
async function runTour(signal: AbortSignal, json: boolean, paint: Paint): Promise<number> {
  const results: StepResult[] = [];
  const tell = (result: StepResult) => {
    results.push(result);
    if (!json) print(stepLine(result, paint));
  };
  const playground = await openPlayground({ lifetimes: TOUR_LIFETIMES, logLevel: "trace", signal });
  try {
    for await (const result of walk(playground, signal)) tell(result);
  } finally {
    tell(await putAway(playground));
  }
  const ok = results.every((result) => result.ok);
  if (json) print(JSON.stringify({ ok, steps: results }));
  else print("", ok ? `  ${paint("green", "All of it works.")} Next: authd sandbox` : "");
  return ok ? EXIT.done : EXIT.failed;
}

async function putAway(playground: Playground): Promise<StepResult> {
  const start = performance.now();
  const code = await playground.close();
  const gone = !existsSync(playground.folder);
  return {
    title: "Nothing is left behind",
    ok: gone && code === 0,
    detail: code === 0 ? "daemon, APIs and folder are gone" : `the daemon ended with ${code}`,
    ms: Math.round(performance.now() - start),
  };
}
