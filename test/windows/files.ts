/** Files of Windows: where they are by default, letters beyond ASCII, CRLF; the key in the Credential Manager. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { windowsPath } from "../helpers/windows/host.ts";

const windowsTest = onWindows();

const CREDENTIAL = `# Written by an editor of Windows.
grant = "static"
origins = [
  "https://api.example.com",
]
`.replaceAll("\n", "\r\n");

windowsTest(
  "folders of a user, CRLF, and the key in the Credential Manager",
  async (t, windows) => {
    const home = windowsHome(t, windows, { name: "Åsa Öberg (日本)" });
    const [roaming, local] = ["AppData/Roaming", "AppData/Local"].map((name) => {
      mkdirSync(join(home.folder, name, "authd"), { recursive: true });
      return join(home.folder, name);
    });
    const credential = join(roaming!, "authd/credentials/orders.toml");
    mkdirSync(join(roaming!, "authd/credentials"));
    writeFileSync(credential, CREDENTIAL);
    const env = {
      ...{ APPDATA: windowsPath(roaming!), LOCALAPPDATA: windowsPath(local!) },
      ...{ AUTHD_CONFIG_DIR: "", AUTHD_STATE_DIR: "", AUTHD_VAULT_KEY: "" },
    };
    const daemon = await home.serve({ env });
    t.regex(daemon.stderr, /New vault in .*Öberg \(日本\).*; the source of its key is: keychain/);
    t.false(existsSync(join(local!, "authd/vault/key")));
    const input = JSON.stringify({ token: "made-up-token" });
    const set = await home.cli(["set", "orders", "--secrets-from", "-"], { env, input });
    t.is(set.code, 0, set.stderr);
    await daemon.kill();
    await home.serve({ env });
    t.is((await home.cli(["get", "orders"], { env })).stdout, "made-up-token\n");
    // The entry is this vault's alone, and goes with it.
    const script = join(windows.app, "forget.mjs");
    const { keyId } = JSON.parse(readFileSync(join(local!, "authd/vault/vault.json"), "utf8"));
    writeFileSync(
      script,
      `import { Entry } from "@napi-rs/keyring";
console.log(new Entry("authd", process.argv[2]).deletePassword());`,
    );
    const forgotten = await windows.run(windows.node, [windowsPath(script), keyId]);
    t.is(forgotten.stdout, "true\n", forgotten.stderr);
  },
);
