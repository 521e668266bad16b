/** The programs of docs/clients.md, as they stand, against the practice APIs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { type Installed, install } from "../helpers/bin.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { javacArgs } from "../helpers/java.ts";
import { readDocument } from "../helpers/markdown.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

/** Addresses of the documents, and the practice API that stands for each. */
const HOSTS = {
  "https://api.app.labelf.ai": "labelf",
  "https://app-eu.onestepai.com": "onestepai",
  "http://localhost:8000": "zebbra",
  "https://api.realtyfeed.com": "realtyna",
};

/** What each program must print a part of. */
const PRINTS = {
  labelf: /predictions/,
  onestepai: /userName/,
  zebbra: /username/,
  realtyna: /ListPrice/,
};

/** How the programs of a language are run, and what else its build needs to find beside them. */
interface Language {
  language: string;
  program: string;
  args(api: string): string[];
  files?: Readonly<Record<string, string>>;
  prepare?(place: Installed): Promise<void>;
}

const PHP_CLIENT = join(ROOT, "clients/php/autoload.php");
const JAVA_CLASSES = "classes";
const MANIFEST = [
  `[package]\nname = "programs"\nedition = "2021"\n`,
  `[dependencies]\nauthd = { path = ${JSON.stringify(join(ROOT, "clients/rust"))} }\n`,
  ...Object.keys(PRINTS).map((api) => `[[bin]]\nname = "${api}"\npath = "${api}.rs"\n`),
].join("\n");

const LANGUAGES: readonly Language[] = [
  { language: "js", program: process.execPath, args: (api) => [`${api}.mjs`] },
  { language: "python", program: "python3", args: (api) => [`${api}.py`] },
  {
    language: "php",
    program: "php",
    args: (api) => ["-d", `auto_prepend_file=${PHP_CLIENT}`, `${api}.php`],
  },
  {
    language: "rust",
    program: "cargo",
    args: (api) => ["run", "--quiet", "--offline", "--bin", api],
    files: { "Cargo.toml": MANIFEST },
  },
  {
    language: "go",
    program: "go",
    args: (api) => ["run", `${api}.go`],
    prepare: requireGoClient,
  },
  {
    language: "java",
    program: "java",
    args: (api) => ["-cp", JAVA_CLASSES, `${api}.java`],
    prepare: compileJavaClient,
  },
];

for (const { language, program, args, files = {}, prepare } of LANGUAGES) {
  test.serial(`every program in ${language} runs`, async (t) => {
    t.timeout(600_000);
    if (language !== "js" && absent(program).length > 0)
      return missing(t, `${program} is not installed`);
    const { socket, values } = await startSandbox(t);
    const PYTHONPATH = join(ROOT, "clients/python/src");
    // A version manager's programs look for it in the real home.
    const env = { AUTHD_SOCKET: socket, PYTHONPATH, GOTOOLCHAIN: "local", HOME: process.env.HOME };
    const place = install(t, env);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(place.folder, name), text);
    await prepare?.(place);
    const blocks = readDocument("docs/clients.md").section("The four APIs").blocks(language);
    for (const block of blocks) {
      const name = /^(?:\/\/|#) (\S+)$/m.exec(block)?.[1] ?? "";
      const text = Object.entries(HOSTS).reduce(
        (given, [host, api]) => given.replaceAll(host, values[api]!),
        block,
      );
      writeFileSync(join(place.folder, name), text);
    }
    for (const [api, printed] of Object.entries(PRINTS)) {
      const { code, stdout, stderr } = await place.run(program, args(api));
      t.is(code, 0, stderr);
      t.regex(stdout, printed, api);
    }
    return t.is(blocks.length, Object.keys(PRINTS).length);
  });
}

/** Makes a Go module of the folder, with the client as its README says. */
async function requireGoClient({ bash, run }: Installed): Promise<void> {
  const [command = ""] = readDocument("clients/go/README.md").blocks("sh");
  await run("go", ["mod", "init", "example"]);
  const { code, stderr } = await bash(command.replaceAll("PATH/TO/authd", ROOT));
  if (code !== 0) throw new Error(stderr);
}

async function compileJavaClient(place: Installed): Promise<void> {
  const { code, stderr } = await place.run("javac", javacArgs(JAVA_CLASSES, "src/main/java"));
  if (code !== 0) throw new Error(stderr);
}
