/** pnpm's `tokenHelper`: a program without arguments that prints the value of the Authorization header. */
import { join } from "node:path";
import { AuthdError } from "../errors.ts";
import { authorizationOf, findToken } from "./find-token.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import { parsePlace } from "./places.ts";
import { programChange, programFolder } from "./programs.ts";
import type { Change } from "./setup/change.ts";

/** Answers `authd helper pnpm HOST[/PATH]`. */
export async function answer(call: HelperCall): Promise<number> {
  const [registry = ""] = call.args;
  const found = await findToken(call, registry);
  if (!found)
    throw new AuthdError(
      "invalid_params",
      `No credential is for the registry "${registry}": authd helper install pnpm --for ${registry || "HOST"}=NAME`,
    );
  call.write(`${authorizationOf(found.credential, found.token)}\n`);
  return 0;
}

/** pnpm does not say which registry it asks for: each gets a program of its own. */
export function changes(options: InstallOptions): Change[] {
  const { env, home, wanted } = options;
  if (wanted.length === 0)
    throw new AuthdError(
      "invalid_params",
      "Name the registry, since pnpm does not say for which one it asks: --for HOST[/PATH]=NAME",
    );
  return wanted.flatMap(({ target }) => {
    const { host, path } = parsePlace(target);
    const registry = [host, ...(path ? [path] : [])].join("/");
    const program = join(programFolder(options), `pnpm-${encodeURIComponent(registry)}`);
    const key = `//${registry}/:tokenHelper`;
    return [
      { ...programChange(program, options, ["pnpm", target]), target },
      {
        kind: "lines",
        path: env.NPM_CONFIG_USERCONFIG || env.npm_config_userconfig || join(home, ".npmrc"),
        lines: [`${key}=${program}`],
        key,
        once: true,
        target,
      },
    ];
  });
}
