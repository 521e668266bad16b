import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { startHelperDaemon } from "../../helpers/helper-daemon.ts";

const MAPPING = `[docker]
"ghcr.io" = "one"
"docker.io" = "two"
"<token>@registry.example:5000" = "one"
`;

test("docker gets, lists and can't store", async (t) => {
  const names = { one: "https://origin.example", two: "https://x.example" };
  const daemon = await startHelperDaemon(t, names, MAPPING);
  const docker = (action: string, input = "") =>
    daemon.cli(["helper", "docker", action], { input });
  for (const [asked, user, name] of [
    ["ghcr.io", "oauth2", "one"],
    ["https://ghcr.io/v2/\n", "oauth2", "one"],
    ["https://index.docker.io/v1/", "oauth2", "two"],
    ["docker.io", "oauth2", "two"],
    ["registry.example:5000", "<token>", "one"],
    ["origin.example", "oauth2", "one"],
  ] as const) {
    const { code, stdout } = await docker("get", asked);
    t.is(code, 0, asked);
    const Secret = `practice-token-of-${name}`;
    t.deepEqual(JSON.parse(stdout), { ServerURL: asked.trim(), Username: user, Secret });
  }
  for (const asked of ["elsewhere.example", "registry.example", ""])
    t.deepEqual(await docker("get", asked), {
      ...{ code: 1, stdout: "credentials not found in native keychain\n", stderr: "" },
    });
  t.deepEqual(JSON.parse((await docker("list")).stdout), {
    ...{ "ghcr.io": "oauth2", "docker.io": "oauth2", "registry.example:5000": "<token>" },
  });
  const login = '{"ServerURL":"ghcr.io","Username":"me","Secret":"practice"}';
  const stored = await docker("store", login);
  t.is(stored.code, 1);
  t.regex(stored.stdout, /^authd: .*authd set/);
  t.is((await docker("erase", "ghcr.io")).code, 0);
  t.regex((await docker("version")).stdout, /^docker-credential-authd \(authd\) \d/);
  await daemon.cli(["remove", "one", "--yes"]);
  const gone = await docker("get", "ghcr.io");
  t.is(gone.code, 1);
  t.regex(gone.stdout, /^authd: .*one/);
});

test("install makes the program and names it for each registry, uninstall undoes both", async (t) => {
  const names = { one: "https://origin.example", two: "https://x.example" };
  const daemon = await startHelperDaemon(t, names);
  const file = join(daemon.folder, ".docker", "config.json");
  mkdirSync(join(daemon.folder, ".docker"));
  const before = '{\n\t"auths": {\n\t\t"ghcr.io": {}\n\t}\n}';
  writeFileSync(file, before);
  const args = ["--for", "ghcr.io=one", "docker.io=two"];
  const { code, stdout, stderr } = await daemon.cli(["helper", "install", "docker", ...args]);
  t.is(code, 0);
  t.regex(stdout, /\+ "credHelpers": "ghcr\.io": "authd"/);
  t.regex(stderr, /\.local\/bin is not in the PATH/);
  t.deepEqual(JSON.parse(readFileSync(file, "utf8")), {
    auths: { "ghcr.io": {} },
    credHelpers: {
      ...{ "ghcr.io": "authd", "https://index.docker.io/v1/": "authd", "docker.io": "authd" },
    },
  });
  const program = join(daemon.folder, ".local", "bin", "docker-credential-authd");
  t.is(statSync(program).mode & 0o777, 0o755);
  t.regex((await daemon.cli(["helper", "list"])).stdout, /^docker +broken .* not in the PATH$/m);
  t.is((await daemon.cli(["helper", "uninstall", "docker"])).code, 0);
  t.is(readFileSync(file, "utf8"), before);
  t.false(existsSync(program));
  t.regex((await daemon.cli(["helper", "install", "docker"])).stderr, /Which registry\?/);
});
