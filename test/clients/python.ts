/** The Python client, by the conformance suite and with real libraries of Python. */
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { run } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

const FEATURES = ["concurrent", "cancel", "stream", "upload", "subscribe"] as const;
const FOLDER = join(ROOT, "clients/python");

for (const [name, ...more] of [["python"], ["python asyncio", "--asyncio"]] as const) {
  conformance(name, {
    start: () => ({ command: "python3", args: [join(FOLDER, "conformance.py"), ...more] }),
    programs: ["python3"],
    features: FEATURES,
  });
}

const LIBRARIES = ["requests", "httpx", "mypy", "ruff", "types-requests", "setuptools", "wheel"];
const NO_REGISTRY =
  /No matching distribution|Could not find a version|Temporary failure|Connection/;

test.serial(
  "a wheel installs, and works with requests and httpx; types and style are checked",
  async (t) => {
    t.timeout(600_000);
    if (absent("python3").length > 0) return missing(t, "python3 is not installed");
    const folder = temporaryFolder(t);
    const source = join(folder, "source");
    cpSync(FOLDER, source, { recursive: true });
    const venv = join(folder, "venv");
    const made = await run(t, "python3", ["-m", "venv", venv]);
    if (made.code !== 0)
      return missing(t, `python3 can't make a venv (Debian package python3-venv): ${made.stdout}`);
    const python = join(venv, "bin/python");
    const here = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
      run(t, python, args, { cwd: source, env: { ...process.env, ...env } });
    const pip = (...args: string[]) =>
      here(["-m", "pip", "--quiet", "--disable-pip-version-check", ...args]);
    const installed = await pip("install", ...LIBRARIES);
    if (NO_REGISTRY.test(installed.stderr))
      return missing(t, `PyPI can't be reached: ${installed.stderr}`);
    t.is(installed.code, 0, installed.stderr);

    const built = await pip(
      "wheel",
      "--no-deps",
      "--no-build-isolation",
      "--wheel-dir",
      folder,
      source,
    );
    t.is(built.code, 0, built.stderr);
    const [wheel = ""] = readdirSync(folder).filter((name) => name.endsWith(".whl"));
    t.is(wheel, "authd_client-0.1.0-py3-none-any.whl");
    const added = await pip("install", "--no-index", "--no-deps", join(folder, wheel));
    t.is(added.code, 0, added.stderr);

    for (const [program, ...args] of [["mypy"], ["ruff", "check"], ["ruff", "format", "--check"]]) {
      const { code, stdout, stderr } = await here(["-m", program!, ...args]);
      t.is(code, 0, `${program}: ${stdout}${stderr}`);
    }
    const { socket, values } = await startSandbox(t);
    const tests = join(source, "tests/test_authd.py");
    const tested = await here([tests], {
      AUTHD_SOCKET: socket,
      LABELF_URL: values.labelf,
    });
    return t.is(tested.code, 0, tested.stderr);
  },
);
