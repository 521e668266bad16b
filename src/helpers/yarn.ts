/** Yarn's hook `getNpmAuthenticationHeader` (version 2 and later), by a plugin that asks authd. */
import { join } from "node:path";
import { AuthdError } from "../errors.ts";
import { authorizationOf, findToken } from "./find-token.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import { programFolder } from "./programs.ts";
import type { Change } from "./setup/change.ts";

/** Answers `authd helper yarn REGISTRY` with the header's value, or with nothing. */
export async function answer(call: HelperCall): Promise<number> {
  const [registry] = call.args;
  if (!registry)
    throw new AuthdError("invalid_params", "Name the registry: authd helper yarn REGISTRY");
  const found = await findToken(call, registry);
  if (found) call.write(`${authorizationOf(found.credential, found.token)}\n`);
  return 0;
}

/** Yarn reads the settings in the home folder for every project. */
export function changes(options: InstallOptions): Change[] {
  const plugin = join(programFolder(options), "yarn-plugin.cjs");
  return [
    { kind: "file", path: plugin, content: pluginSource(options.command) },
    {
      kind: "lines",
      path: join(options.home, ".yarnrc.yml"),
      lines: ["plugins:", `  - ${JSON.stringify(plugin)}`],
      key: "plugins",
      once: true,
    },
  ];
}

function pluginSource([program, ...words]: readonly string[]): string {
  const args = [...words, "helper", "yarn"].map((word) => JSON.stringify(word)).join(", ");
  return `// Asks authd for the tokens of registries. Made by authd helper install yarn.
const { execFile } = require("node:child_process");
const ask = (registry) =>
  new Promise((resolve, reject) =>
    execFile(${JSON.stringify(program)}, [${args}, registry], (error, stdout, stderr) =>
      error ? reject(new Error(stderr.trim() || error.message)) : resolve(stdout.trim()),
    ),
  );
const getNpmAuthenticationHeader = async (header, registry) => (await ask(registry)) || header;
module.exports = { name: "plugin-authd", factory: () => ({ hooks: { getNpmAuthenticationHeader } }) };
`;
}
