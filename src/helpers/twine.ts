/** A backend of Python's `keyring`, which twine and others import, that asks authd first. */
import { join } from "node:path";
import type { InstallOptions } from "./helper.ts";
import { programFolder } from "./programs.ts";
import type { Change } from "./setup/change.ts";

/** The backend runs what pip and uv call `keyring`. */
export { answer } from "./pip.ts";

const MODULE = "authd_keyring";

/** keyring's settings name one backend for all programs: ours goes on with those that it would find itself. */
export function changes(options: InstallOptions): Change[] {
  const { env, home, command } = options;
  const folder = programFolder(options);
  const config = join(env.XDG_CONFIG_HOME || join(home, ".config"), "python_keyring");
  const setting = (key: string, value: string): Change => ({
    kind: "lines",
    path: join(config, "keyringrc.cfg"),
    section: "[backend]",
    lines: [`${key}=${value}`],
    key,
    once: true,
  });
  return [
    {
      kind: "file",
      path: join(folder, `${MODULE}.py`),
      content: backendSource([...command, "helper", "twine"]),
    },
    setting("default-keyring", `${MODULE}.Keyring`),
    setting("keyring-path", folder),
  ];
}

function backendSource(command: readonly string[]): string {
  return `"""Asks authd first, then the other backends. Made by authd helper install twine."""
import json
import subprocess
from keyring.backends.chainer import ChainerBackend
from keyring.credentials import SimpleCredential
COMMAND = ${JSON.stringify(command)}
class Keyring(ChainerBackend):
    priority = 20
    def _ask(self, service, username):
        if not service.startswith(("https://", "http://")):
            return None
        words = ["--mode=creds", "--output=json", "get", service, *([username] if username else [])]
        run = subprocess.run(COMMAND + words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        return SimpleCredential(**json.loads(run.stdout)) if run.returncode == 0 else None
    def get_credential(self, service, username):
        return self._ask(service, username) or super().get_credential(service, username)
    def get_password(self, service, username):
        found = self._ask(service, username)
        return found.password if found else super().get_password(service, username)
`;
}
