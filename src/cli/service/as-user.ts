/** Runs authd and other programs as an ordinary user, for root. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { buffer, text } from "node:stream/consumers";
import type { Launch } from "../../service/launch.ts";
import { placesOn } from "../../service/system-wide/places.ts";
import type { Account } from "./machine.ts";
import type { ServiceIo } from "./steps.ts";

export interface Said {
  code: number | null;
  stdout: Buffer;
  stderr: string;
}

/** Longer than the 60 s that a person has for an answer, and the 140 s that `authd stop` waits. */
const TIMEOUT_MS = 200_000;
/** Variables of sudo's caller that may name another authd than the default one. */
const PASSED_VARIABLES = [
  "AUTHD_SOCKET",
  "AUTHD_CONFIG_DIR",
  "AUTHD_STATE_DIR",
  "LANG",
  "TERM",
] as const;

export class AsUser {
  readonly #account: Account;
  readonly #launch: Launch;
  readonly #env: NodeJS.ProcessEnv;

  constructor(account: Account, launch: Launch, io: ServiceIo) {
    this.#account = account;
    this.#launch = launch;
    this.#env = environmentOf(account, io);
  }

  /** Runs `authd ARGS…` with `input` as standard input. */
  async authd(args: readonly string[], input = ""): Promise<Said> {
    const { node, main } = this.#launch;
    return await this.run([node, main, ...args], input);
  }

  /** Runs a program as the user, without root's supplementary groups. Never rejects. */
  async run([program = "", ...args]: readonly string[], input = ""): Promise<Said> {
    const { uid, gid } = this.#account;
    const child = spawn(program, args, {
      ...{ uid, gid, cwd: "/", env: this.#env, timeout: TIMEOUT_MS },
      // A session of its own: root's terminal is not that user's to read from or to type into.
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const code = new Promise<number | null>((resolve) => {
      child.once("error", () => resolve(null)).once("close", resolve);
    });
    child.stdin.on("error", () => {}).end(input);
    const [stdout, stderr] = await Promise.all([buffer(child.stdout), text(child.stderr)]);
    return { code: await code, stdout, stderr };
  }
}

function environmentOf({ name, uid, home }: Account, io: ServiceIo): NodeJS.ProcessEnv {
  const runtime = `/run/user/${uid}`;
  const kept = PASSED_VARIABLES.filter(
    (variable) => io.env[variable] && io.env[variable] !== placesOn(io.platform).socket,
  ).map((variable) => [variable, io.env[variable]]);
  return {
    ...{ PATH: io.env.PATH, HOME: home, USER: name, LOGNAME: name },
    ...(existsSync(runtime) && { XDG_RUNTIME_DIR: runtime }),
    ...Object.fromEntries(kept),
  };
}
