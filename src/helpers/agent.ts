/** Hooks of agent command lines: a command that prints a key, or headers in JSON. */
import { join } from "node:path";
import { shellWord } from "../base/shell-word.ts";
import { AuthdError } from "../errors.ts";
import type { HelperCall, InstallOptions, Wanted } from "./helper.ts";
import type { Change } from "./setup/change.ts";

/** Answers `authd helper agent NAME [--headers]`. They run it again when a key may have expired. */
export async function answer(call: HelperCall): Promise<number> {
  const headersOnly = call.args.includes("--headers");
  const [credential, ...more] = call.args.filter((each) => each !== "--headers");
  if (!credential || more.length > 0)
    throw new AuthdError(
      "invalid_params",
      "Write it like this: authd helper agent NAME [--headers]",
    );
  const { accessToken, headers } = await call.getToken({ credential });
  call.write(`${headersOnly ? JSON.stringify(headers) : accessToken}\n`);
  return 0;
}

/** `--for claude=NAME` or `--for codex:PROVIDER=NAME`. */
export function changes({ wanted, ...options }: InstallOptions): Change[] {
  if (wanted.length === 0) throw wrongTarget("");
  return wanted.map(({ target, credential }) => {
    if (!credential) throw wrongTarget(target);
    const words = [...options.command, "helper", "agent", credential];
    const of = { target, credential };
    if (target === "claude") return { ...claude(words, options), ...of };
    const provider = /^codex:([\w-]+)$/.exec(target)?.[1];
    if (!provider) throw wrongTarget(target);
    return { ...codex(words, provider, options), ...of };
  });
}

type Places = Pick<InstallOptions, "env" | "home">;

function claude(words: readonly string[], { env, home }: Places): Change {
  return {
    kind: "json",
    path: join(env.CLAUDE_CONFIG_DIR || join(home, ".claude"), "settings.json"),
    at: ["apiKeyHelper"],
    value: words.map(shellWord).join(" "),
  };
}

function codex(
  [command, ...args]: readonly string[],
  provider: string,
  { env, home }: Places,
): Change {
  return {
    kind: "lines",
    path: join(env.CODEX_HOME || join(home, ".codex"), "config.toml"),
    section: `[model_providers.${provider}.auth]`,
    lines: [`command = ${JSON.stringify(command)}`, `args = ${JSON.stringify(args)}`],
    key: "command",
    once: true,
  };
}

const wrongTarget = (target: Wanted["target"]) =>
  new AuthdError(
    "invalid_params",
    `${target ? `"${target}" is unknown: name` : "Name"} the program and the credential: --for claude=NAME or --for codex:PROVIDER=NAME`,
  );
