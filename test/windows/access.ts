/** Who gets at the pipe and the vault's folder, and who is behind a connection. */

import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileForWindows } from "../helpers/windows/distribution.ts";
import { onWindows, type WindowsHome, windowsHome } from "../helpers/windows/home.ts";
import { windowsPath } from "../helpers/windows/host.ts";

const windowsTest = onWindows();
const READ_ACCESS_LIST = 0x20000;

/** Prints the access list of a pipe, or of a file, as Windows writes it down. */
const SHOW = `
const koffi = (await import("koffi")).default;
const [, , path] = process.argv;
const kernel32 = koffi.load("kernel32.dll");
const advapi32 = koffi.load("advapi32.dll");
const open = kernel32.func("intptr_t CreateFileW(str16, uint32_t, uint32_t, void *, uint32_t, uint32_t, intptr_t)");
const handle = open(path, ${READ_ACCESS_LIST}, 7, null, 3, 0x2000000, 0);
const list = Buffer.alloc(4096);
const length = new Uint32Array(1);
advapi32.func("int GetKernelObjectSecurity(intptr_t, uint32_t, void *, uint32_t, void *)")(handle, 4, list, list.length, length);
const text = [null];
advapi32.func("int ConvertSecurityDescriptorToStringSecurityDescriptorW(void *, uint32_t, uint32_t, _Out_ str16 *, void *)")(list, 1, 4, text, null);
console.log(text[0]);
process.exit();
`;

async function accessList({ windows }: WindowsHome, path: string): Promise<string> {
  const script = join(windows.app, "show-access-list.mjs");
  writeFileSync(script, SHOW);
  const { stdout, stderr } = await windows.run(windows.node, [windowsPath(script), path]);
  return stdout.trim() || stderr;
}

windowsTest(
  "the pipe and the vault are their user's and the system's alone",
  async (t, windows) => {
    const home = windowsHome(t, windows);
    mkdirSync(join(home.stateDir, "vault/folder"), { recursive: true, mode: 0o755 });
    for (const name of ["from-before", "folder/from-before"])
      writeFileSync(join(home.stateDir, "vault", name), "", { mode: 0o644 });
    await home.serve();
    // No one from the network, the system, and one user.
    t.regex(
      await accessList(home, home.pipe),
      /^D:P\(D;;FA;;;NU\)\(A;;FA;;;SY\)\(A;;FA;;;S-1-5-21-[\d-]+\)$/,
    );
    // Wine keeps access lists as permissions.
    for (const name of ["", "from-before", "folder", "folder/from-before"]) {
      const { mode } = statSync(join(home.stateDir, "vault", name));
      t.is(mode & 0o007, 0, name);
    }
  },
);

/** A program of one's own that asks over the pipe for a token: PIPE, then it prints the answer. */
const ASKS = String.raw`
#include <windows.h>
int main(int count, char **words) {
  const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getToken\",\"params\":{\"credential\":\"orders\"}}\n";
  char answer[4096];
  DWORD bytes;
  HANDLE out = GetStdHandle(STD_OUTPUT_HANDLE);
  HANDLE pipe = CreateFileA(words[count - 1], GENERIC_READ | GENERIC_WRITE, 0, 0, OPEN_EXISTING, 0, 0);
  if (pipe == INVALID_HANDLE_VALUE) return 1;
  if (!WriteFile(pipe, request, sizeof request - 1, &bytes, 0)) return 2;
  if (!ReadFile(pipe, answer, sizeof answer, &bytes, 0)) return 3;
  return WriteFile(out, answer, bytes, &bytes, 0) ? 0 : 4;
}
`;

windowsTest("rules and the audit log know which program asks", async (t, windows) => {
  const folder = join(windows.app, "programs");
  mkdirSync(folder);
  const [report, other] = ["report.exe", "other.exe"].map((name) => join(folder, name));
  await compileForWindows(ASKS, report!);
  copyFileSync(report!, other!);
  const orders = `grant = "static"
origins = ["https://api.example.com"]
[[allow]]
executable = '${windowsPath(report!)}'
`;
  const home = windowsHome(t, windows, { config: { "credentials/orders.toml": orders } });
  await home.serve();
  const secret = { input: JSON.stringify({ token: "made-up-token" }) };
  const set = await home.cli(["set", "orders", "--secrets-from", "-"], secret);
  t.is(set.code, 0, set.stderr);
  const allowed = await windows.run(windowsPath(report!), [home.pipe]);
  t.regex(allowed.stdout, /"accessToken":"made-up-token"/);
  const refused = await windows.run(windowsPath(other!), [home.pipe]);
  t.regex(refused.stdout, /"reason":"caller_not_allowed"/);
  // The command acts for who started it: here that is the host of these tests.
  t.regex((await home.cli(["get", "orders"])).stderr, /node\.exe/);

  const { stdout } = await home.cli(["audit", "--json"]);
  const peers = stdout
    .split("\n")
    .filter((line) => line.includes('"getToken"'))
    .map((line) => (JSON.parse(line) as { peer: Record<string, unknown> }).peer);
  t.is(peers.length, 3);
  t.is(peers[0]?.program, windowsPath(report!));
  t.is(typeof peers[0]?.pid, "number");
  t.is(peers[1]?.program, windowsPath(other!));
  t.is(peers[2]?.program, windows.node);
  t.regex(String(peers[2]?.script), /host-main\.js$/);
  t.not(peers[2]?.programPid, peers[2]?.pid);
});

windowsTest("rules mean a program however its name is spelled", async (t, windows) => {
  const folder = join(windows.app, "spelled");
  mkdirSync(folder);
  const [known, later] = ["known.exe", "later.exe"].map((name) => join(folder, name));
  await compileForWindows(ASKS, known!);
  const inCapitals = (path: string) => windowsPath(path).toUpperCase();
  const orders = `grant = "static"
origins = ["https://api.example.com"]
[[deny]]
executable = '${inCapitals(known!)}'
[[deny]]
executable = '${inCapitals(later!)}'
`;
  const home = windowsHome(t, windows, { config: { "credentials/orders.toml": orders } });
  await home.serve();
  const secret = { input: JSON.stringify({ token: "made-up-token" }) };
  t.is((await home.cli(["set", "orders", "--secrets-from", "-"], secret)).code, 0);
  copyFileSync(known!, later!);
  for (const program of [known!, later!]) {
    for (const path of [windowsPath(program), inCapitals(program)]) {
      const { stdout } = await windows.run(path, [home.pipe]);
      t.regex(stdout, /refused by the rule deny/, path);
    }
  }
});

/** Asks for the user of what is no process, and of this one. */
const USERS = `
const { isOwnUserOrSystem } = await import("./dist/src/base/windows/user.js");
console.log(isOwnUserOrSystem(-1));
try {
  console.log(isOwnUserOrSystem(0));
} catch (error) {
  console.log(error.message);
}
process.exit();
`;

windowsTest("a process whose user can't be told is not taken for our own", async (t, windows) => {
  const script = join(windows.app, "users.mjs");
  writeFileSync(script, USERS);
  const { stdout, stderr } = await windows.run(windows.node, [windowsPath(script)]);
  t.regex(stdout, /^true\r?\nOpenProcessToken: error \d+\s*$/, stderr);
});
