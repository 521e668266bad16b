/** cargo's credential provider protocol, version 1: each message is one line of JSON. */
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { authorizationOf, findToken } from "./find-token.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import { programChange } from "./programs.ts";
import type { Change } from "./setup/change.ts";

interface Request {
  v?: number;
  kind?: string;
  registry?: { "index-url"?: string };
}

/** Time (s) before a token's end from which on cargo asks again. */
const AHEAD_S = 10;

/** Answers one line after another, until cargo closes standard input. */
export async function answer(call: HelperCall): Promise<number> {
  const say = (message: object) => call.write(`${JSON.stringify(message)}\n`);
  say({ v: [1] });
  for await (const line of call.lines()) {
    say(await answerTo(line, call).catch((error) => other(messageOf(error))));
  }
  return 0;
}

async function answerTo(line: string, call: HelperCall): Promise<object> {
  const { v, kind, registry } = JSON.parse(line) as Request;
  if (v !== 1 || (kind !== "get" && kind !== "login" && kind !== "logout"))
    return failed("operation-not-supported");
  // "sparse+https://…" and "registry+https://…" name the protocol of the index before its address.
  const index = (registry?.["index-url"] ?? "").replace(/^[a-z]+\+/, "");
  const found = await findToken(call, index);
  if (!found) return failed("url-not-supported");
  const { credential, token } = found;
  if (kind !== "get") return other(`authd keeps this token: authd ${kind} ${credential}`);
  return {
    Ok: {
      kind: "get",
      token: authorizationOf(credential, token),
      ...validity(token.expiresAt),
      operation_independent: true,
    },
  };
}

/** cargo keeps a token in memory, for as long as it runs or until `expiration`. */
function validity(expiresAt: number | null): object {
  if (expiresAt === null) return { cache: "session" };
  return { cache: "expires", expiration: Math.floor(expiresAt / 1_000) - AHEAD_S };
}

const failed = (kind: string) => ({ Err: { kind } });
const other = (message: string) => ({ Err: { kind: "other", message, "caused-by": [] } });

/** cargo gives its arguments in JSON only: it needs a program of its own. The last provider is asked first. */
export function changes(options: InstallOptions): Change[] {
  const { env, home } = options;
  const cargoHome = env.CARGO_HOME || join(home, ".cargo");
  const program = join(cargoHome, "bin", "cargo-credential-authd");
  const key = "global-credential-providers";
  return [
    programChange(program, options, ["cargo"]),
    {
      kind: "lines",
      path: join(cargoHome, "config.toml"),
      section: "[registry]",
      lines: [`${key} = ["cargo:token", ${JSON.stringify(program)}]`],
      key,
      once: true,
    },
  ];
}
