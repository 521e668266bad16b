/** The Python client, by the conformance suite and with real libraries of Python. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { run } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

const FEATURES = ["concurrent", "cancel", "stream", "upload", "subscribe"] as const;
const FOLDER = join(ROOT, "clients/python");

/** The oldest version that the client is for. No package registry has it. */
const OLDEST = "3.9";

/** Finds the oldest version where it is installed, by pyenv or otherwise. */
function oldestPython(): string[] {
  const versions = join(process.env.PYENV_ROOT ?? join(homedir(), ".pyenv"), "versions");
  const own = existsSync(versions) ? readdirSync(versions) : [];
  const version = own.find((name) => name.startsWith(`${OLDEST}.`));
  const command = version ? join(versions, version, "bin/python") : `python${OLDEST}`;
  return spawnSync(command, ["--version"]).status === 0 ? [command] : [];
}

const PYTHONS = [
  ["python", "python3"],
  ...oldestPython().map((path) => [`python ${OLDEST}`, path]),
];

for (const [name = "", python = ""] of PYTHONS) {
  const args = [join(FOLDER, "conformance.py")];
  const programs = ["python3"];
  conformance(name, { start: () => ({ command: python, args }), programs, features: FEATURES });
  conformance(`${name} asyncio`, {
    start: () => ({ command: python, args: [...args, "--asyncio"] }),
    programs,
    features: [...FEATURES, "duplex"],
  });
}

const LIBRARIES = ["requests", "httpx", "setuptools>=61", "wheel"];
const CHECKERS = ["mypy", "ruff", "vermin", "requests", "httpx", "types-requests"];
/** What each must find in order. vermin: nothing that the oldest version lacks. */
const CHECKS = [
  ["mypy"],
  ["mypy", "--platform", "win32"],
  ["ruff", "check"],
  ["ruff", "format", "--check"],
  ["vermin", "--quiet", "--no-tips", "--eval-annotations", `--target=${OLDEST}-`, "src"],
];
for (const [name = "", path = ""] of PYTHONS) {
  test.serial(`${name}: a wheel installs, and works with requests and httpx`, async (t) => {
    t.timeout(600_000);
    if (absent("python3").length > 0) return missing(t, "python3 is not installed");
    const here = await makeVenv(t, path, LIBRARIES);
    if (typeof here === "string") return missing(t, here);
    const folder = temporaryFolder(t);
    const wheelOptions = ["--no-deps", "--no-build-isolation", "--wheel-dir", folder];
    await here.pip("wheel", ...wheelOptions, here.source);
    const [wheel = ""] = readdirSync(folder).filter((file) => file.endsWith(".whl"));
    t.is(wheel, "authd_client-0.1.0-py3-none-any.whl");
    await here.pip("install", "--no-index", "--no-deps", join(folder, wheel));
    const { socket, values } = await startSandbox(t);
    const tested = await here.run("python", [join(here.source, "tests/test_authd.py")], {
      AUTHD_SOCKET: socket,
      LABELF_URL: values.labelf,
    });
    return t.is(tested.code, 0, tested.stderr);
  });
}

test.serial(
  "python: types and style are checked, and for what the oldest version lacks",
  async (t) => {
    t.timeout(600_000);
    if (absent("python3").length > 0) return missing(t, "python3 is not installed");
    const here = await makeVenv(t, "python3", CHECKERS);
    if (typeof here === "string") return missing(t, here);
    for (const [program = "", ...args] of CHECKS) {
      const { code, stdout, stderr } = await here.run(program, args);
      t.is(code, 0, `${program}: ${stdout}${stderr}`);
    }
  },
);

const NO_REGISTRY =
  /No matching distribution|Could not find a version|Temporary failure|Connection/;

/** Makes a venv with these libraries beside a copy of the client, or tells why that can't be. */
async function makeVenv(t: ExecutionContext, command: string, libraries: readonly string[]) {
  const folder = temporaryFolder(t);
  const source = join(folder, "source");
  cpSync(FOLDER, source, { recursive: true });
  const venv = join(folder, "venv");
  const made = await run(t, command, ["-m", "venv", venv]);
  if (made.code !== 0)
    return `python3 can't make a venv (Debian package python3-venv): ${made.stdout}`;
  const here = (program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    run(t, join(venv, "bin", program), args, { cwd: source, env: { ...process.env, ...env } });
  const call = (...args: string[]) =>
    here("python", ["-m", "pip", "--quiet", "--disable-pip-version-check", ...args]);
  const pip = async (...args: string[]) => {
    const { code, stderr } = await call(...args);
    t.is(code, 0, stderr);
  };
  const installed = await call("install", ...libraries);
  if (NO_REGISTRY.test(installed.stderr)) return `PyPI can't be reached: ${installed.stderr}`;
  t.is(installed.code, 0, installed.stderr);
  return { source, run: here, pip };
}
