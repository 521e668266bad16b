/** The credential helper protocol of Bazel: `get`, and a URI in JSON on standard input. */
import { join } from "node:path";
import { AuthdError } from "../errors.ts";
import { findToken } from "./find-token.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import { parsePlace } from "./places.ts";
import { programChange, programFolder } from "./programs.ts";
import type { Change } from "./setup/change.ts";

/** Answers one call. Without headers Bazel sends its request as it is. */
export async function answer(call: HelperCall): Promise<number> {
  if (call.args[0] !== "get")
    throw new AuthdError("invalid_params", 'Nothing but "get" is answered here.');
  const found = await findToken(call, uriIn(await call.read()));
  const { headers = {}, expiresAt = null } = found?.token ?? {};
  const answered = {
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    ...(expiresAt !== null && { expires: new Date(expiresAt).toISOString() }),
  };
  call.write(`${JSON.stringify(answered)}\n`);
  return 0;
}

function uriIn(input: string): string {
  try {
    const { uri } = JSON.parse(input) as { uri?: unknown };
    if (typeof uri === "string") return uri;
  } catch {
    // Told below.
  }
  throw new AuthdError("invalid_params", 'Bazel writes {"uri": "…"} to standard input.');
}

/** Bazel takes a path without arguments, for all hosts or for one. */
export function changes(options: InstallOptions): Change[] {
  const { home, wanted } = options;
  const program = join(programFolder(options), "bazel-credential-helper");
  const lineFor = (host: string) => {
    const key = `common --credential_helper=${host}`;
    return {
      kind: "lines",
      path: join(home, ".bazelrc"),
      lines: [`${key}${program}`],
      key,
    } as const;
  };
  const made = programChange(program, options, ["bazel"]);
  if (wanted.length === 0) return [made, lineFor("")];
  return [made, ...wanted.map(({ target }) => ({ ...lineFor(`${hostname(target)}=`), target }))];
}

/** Bazel matches hosts without a port. */
function hostname(target: string): string {
  return parsePlace(target).host.replace(/:\d+$/, "");
}
