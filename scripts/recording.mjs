// npm run recording: records docs/recording.svg, a real session with a real daemon and practice APIs.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { drawSvg } from "./recording/svg.mjs";
import { openTerminal } from "./recording/terminal.mjs";
import { node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
const { startPracticeApis } = await import("../dist/src/sandbox/index.js");

const SIZE = { columns: 96, rows: 20 };
/** Lifetimes (s) of the practice APIs' tokens: short, so that they are seen being renewed. */
const LIFETIMES = { labelf: 14, onestepai: 24, zebbra: 18, realtyna: 90 };
const MAX_BYTES = 200_000;
const ENTER = "\r";

const home = mkdtempSync(join(tmpdir(), "authd-recording-"));
const main = join(root, "dist/src/main.js");
const bin = join(home, "bin");
mkdirSync(bin);
writeFileSync(join(bin, "authd"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
chmodSync(join(bin, "authd"), 0o755);
const env = {
  PATH: `${bin}:${process.env.PATH}`,
  HOME: home,
  XDG_RUNTIME_DIR: home,
  XDG_CONFIG_HOME: join(home, "config"),
  XDG_STATE_HOME: join(home, "state"),
  AUTHD_VAULT_KEY: "file",
  LANG: "C.UTF-8",
};

const apis = await startPracticeApis({ lifetimes: LIFETIMES });
const daemon = spawn(process.execPath, [main, "serve"], {
  env,
  stdio: ["ignore", "ignore", "ignore"],
});
try {
  await waitForDaemon();
  for (const name of ["labelf", "onestepai", "realtyna"]) add(name, apis[name]);
  const frames = await record(apis.zebbra);
  const svg = drawSvg(frames, SIZE);
  if (svg.length > MAX_BYTES) throw new Error(`the recording has ${svg.length} bytes`);
  writeFileSync(join(root, "docs/recording.svg"), svg);
  console.log(`docs/recording.svg: ${frames.length} frames, ${svg.length} bytes`);
} finally {
  daemon.kill();
  await once(daemon, "exit");
  for (const api of Object.values(apis)) await api.close();
  rmSync(home, { recursive: true });
}

async function record({ url, credential }) {
  const terminal = openTerminal(SIZE, { ...env, API: url });
  try {
    await terminal.shows("$");
    await sleep(600);
    const { settings, secrets } = credential;
    await terminal.type(`authd add zebbra --preset zebbra --set base_url=$API${ENTER}`);
    await terminal.shows("User name");
    await terminal.type(`${settings.username}${ENTER}`);
    await terminal.shows("Password");
    await terminal.type(`${secrets.password}${ENTER}`);
    await terminal.shows("Two-factor");
    await terminal.type(`${secrets.otp_secret ?? ""}${ENTER}`);
    await terminal.shows("is added");
    await sleep(1500);
    await terminal.type(`authd request zebbra $API/user${ENTER}`);
    await terminal.shows("username");
    await sleep(1500);
    await terminal.type(`authd status --watch${ENTER}`);
    await terminal.shows("q quit");
    await sleep(9_000);
    await terminal.type("\x1b[B\x1b[B");
    await terminal.type(ENTER);
    await terminal.shows("q back");
    await sleep(2_000);
    await terminal.type("\x1b[6~");
    await terminal.shows("What happened");
    await sleep(3_000);
    await terminal.type("q");
    await sleep(2_000);
    await terminal.type("q");
    await sleep(500);
    return terminal.frames;
  } finally {
    terminal.close();
  }
}

async function waitForDaemon() {
  for (let tries = 0; run(["status"]).status !== 0; tries++) {
    if (tries > 100) throw new Error("the daemon did not start");
    await sleep(100);
  }
}

function add(name, { credential: { preset, settings, secrets } }) {
  const sets = Object.entries(flat(settings)).flatMap(([key, value]) => [
    "--set",
    `${key}=${value}`,
  ]);
  const args = ["add", name, "--preset", preset, ...sets, "--secrets-from", "-"];
  const { status, stderr } = run(args, JSON.stringify(secrets));
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
}

function flat(settings, before = "") {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]) =>
      typeof value === "object" && !Array.isArray(value)
        ? Object.entries(flat(value, `${before}${key}.`))
        : [[`${before}${key}`, value]],
    ),
  );
}

function run(args, input = "") {
  return spawnSync(process.execPath, [main, ...args], { env, input, encoding: "utf8" });
}
