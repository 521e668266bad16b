/** Warm getToken by the client of each language, one call after the other on one connection. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { number } from "./helpers/amounts.ts";
import { run } from "./helpers/bench.ts";
import { ROOT, runToEnd, startDaemon } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { median } from "./helpers/rounds.ts";

interface Subject {
  language: string;
  command: string;
  args: readonly string[];
  /** What it tells its version by, where that is not --version. */
  version?: string;
  /** Compiles it into a folder; returns arguments that come first. */
  build?(folder: string): Promise<readonly string[]>;
}

const at = (path: string) => join(ROOT, "clients", path);

/** Programs that print the microseconds of each call; they take a credential and the number of calls. */
const CLIENTS: readonly Subject[] = [
  { language: "JavaScript", command: process.execPath, args: [at("javascript/bench.mjs")] },
  { language: "Python", command: "python3", args: [at("python/bench.py")] },
  { language: "PHP", command: "php", args: [at("php/bench.php")] },
  {
    language: "Rust",
    command: "cargo",
    args: [
      ...["run", "--quiet", "--release", "--offline", "--example", "bench"],
      ...["--manifest-path", at("rust/Cargo.toml"), "--"],
    ],
  },
  {
    language: "Go",
    command: "go",
    args: ["run", "-C", at("go"), "./internal/bench"],
    version: "version",
  },
  { language: "Java", command: "java", args: ["Bench"], build: compileJava },
];

await run(async (bench) => {
  const home = makeHome(bench);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  await startDaemon(bench, home);
  const env = { ...process.env, AUTHD_SOCKET: home.socket };
  const isThere = ({ command, version = "--version" }: Subject) =>
    spawnSync(command, [version], { stdio: "ignore" }).status === 0;
  const there = CLIENTS.filter(isThere);
  const missing = CLIENTS.filter((one) => !there.includes(one)).map(({ language }) => language);
  for (const { language, command, args, build = async () => [] } of there) {
    const given = [...(await build(bench.folder)), ...args];
    const call = async () => {
      const calls = String(bench.quick ? 50 : 3_000);
      const printed = await runToEnd(command, [...given, "bench", calls], env);
      return median(printed.trim().split("\n").map(Number));
    };
    const rounds: number[] = [];
    for (let round = 0; round < (bench.quick ? 1 : 5); round++) rounds.push(await call());
    const leftOut = missing.length > 0 ? `; not installed: ${missing.join(", ")}` : "";
    bench.row({
      what: `getToken, the client in ${language}`,
      measured: median(rounds),
      unit: "µs",
      detail: `median of ${rounds.length} runs, ${number(Math.min(...rounds))}–${number(Math.max(...rounds))} µs${leftOut}`,
    });
  }
});

/** Needs the whole JDK. */
async function compileJava(folder: string): Promise<readonly string[]> {
  const client = at("java/src/main/java/authd");
  const sources = readdirSync(client).map((name) => join(client, name));
  await runToEnd("javac", ["-d", folder, at("java/bench/Bench.java"), ...sources]);
  return ["-cp", folder];
}
