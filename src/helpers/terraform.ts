/** The credentials helper protocol of Terraform and OpenTofu: `get`, `store` or `forget`, and a host. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AuthdError } from "../errors.ts";
import { findToken } from "./find-token.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import { programChange } from "./programs.ts";
import type { Change } from "./setup/change.ts";
import { readTextFile } from "./setup/text-file.ts";

const LINE = 'credentials_helper "authd" {}';

/** Answers one call. An empty object says that there is no token for the host. */
export async function answer(call: HelperCall): Promise<number> {
  const [action, host = ""] = call.args;
  const found = await findToken(call, host);
  if (action !== "get")
    throw new AuthdError(
      "invalid_params",
      `authd takes no token of ${host} from here: ${found ? `authd set ${found.credential}` : "authd add NAME"}`,
    );
  call.write(`${JSON.stringify(found ? { token: found.token.accessToken } : {})}\n`);
  return 0;
}

/** Both look for the program by its name, in the folder of their plugins. */
export function changes(options: InstallOptions): Change[] {
  const { env, home } = options;
  const tofurc = join(home, ".tofurc");
  const terraformrc = env.TF_CLI_CONFIG_FILE || join(home, ".terraformrc");
  const plugins = join(home, ".terraform.d", "plugins");
  return [
    programChange(join(plugins, "terraform-credentials-authd"), options, ["terraform"]),
    // OpenTofu reads Terraform's file only where it has none of its own.
    ...[terraformrc, ...(existsSync(tofurc) ? [tofurc] : [])].map(lineIn),
  ];
}

/** Throws AuthdError `invalid_params` if there is another helper: one is all that Terraform takes. */
function lineIn(path: string): Change {
  const other = (readTextFile(path) ?? "")
    .split("\n")
    .find((line) => /^\s*credentials_helper\b/.test(line) && line !== LINE);
  if (other === undefined) return { kind: "lines", path, lines: [LINE], key: "credentials_helper" };
  throw new AuthdError(
    "invalid_params",
    `${path} has another credentials_helper already: remove it, then install again.`,
  );
}
