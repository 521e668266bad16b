import { start } from "../child.ts";
import { MAIN } from "../daemon.ts";
import { temporaryFolder } from "../folder.ts";
import type { Scope } from "../scope.ts";

/** `authd sandbox`, until the test ends. `values` are the addresses of its practice APIs, by their names. */
export async function startSandbox(
  t: Scope,
): Promise<{ socket: string; values: Record<string, string> }> {
  const env = { ...process.env, TMPDIR: temporaryFolder(t) };
  const sandbox = start(t, process.execPath, [MAIN, "sandbox", "--json"], { env });
  t.teardown(async () => {
    sandbox.child.kill("SIGTERM");
    await sandbox.ended;
  });
  const { socket, apis } = JSON.parse(await sandbox.says("\n")) as {
    socket: string;
    apis: { name: string; url: string }[];
  };
  return { socket, values: Object.fromEntries(apis.map(({ name, url }) => [name, url])) };
}
