/** The command line of Python's `keyring`, which pip and uv call as a program of its own. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findToken, userAndPassword } from "./find-token.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import type { Change } from "./setup/change.ts";

/** The name that package indexes take beside a token. */
const TOKEN_USER = "__token__";

/** Answers `keyring [--mode creds] [--output json] get SERVICE [USER]`: exit code 1 says that there is nothing. */
export async function answer(call: HelperCall): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...call.args],
    allowPositionals: true,
    strict: false,
    options: { mode: { type: "string" }, output: { type: "string" } },
  });
  const [action, service, username] = positionals;
  if (action !== "get" || !service) {
    call.complain(
      "authd: nothing but `keyring get` is answered: authd add and authd set take secrets\n",
    );
    return 1;
  }
  const found = await findToken(call, service);
  if (!found) return 1;
  const { username: user, password } = userAndPassword(
    found.token,
    username ?? found.user ?? TOKEN_USER,
  );
  const asked = values.mode === "creds" ? { username: user, password } : { password };
  const isJson = values.output === "json";
  call.write(`${isJson ? JSON.stringify(asked) : Object.values(asked).join("\n")}\n`);
  return 0;
}

/** Both look for `keyring` in the PATH. */
export function changes({ env, home, command }: InstallOptions): Change[] {
  const config = env.XDG_CONFIG_HOME || join(home, ".config");
  return [
    {
      kind: "program",
      path: join(home, ".local", "bin", "keyring"),
      command: [...command, "helper", "pip"],
    },
    {
      kind: "lines",
      path: env.PIP_CONFIG_FILE || join(config, "pip", "pip.conf"),
      section: "[global]",
      lines: ["keyring-provider = subprocess"],
      key: "keyring-provider",
      once: true,
      isCommon: true,
    },
    {
      kind: "lines",
      path: env.UV_CONFIG_FILE || join(config, "uv", "uv.toml"),
      lines: ['keyring-provider = "subprocess"'],
      key: "keyring-provider",
      once: true,
      isCommon: true,
    },
  ];
}
