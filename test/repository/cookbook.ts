/**
 * Runs docs/cookbook.md: each file and each command as they stand, against servers under the public names
 * that behave as cookbook.json says.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { parse } from "smol-toml";
import { Turns } from "../../src/base/turns.ts";
import * as z from "../../src/base/zod.ts";
import { start } from "../helpers/child.ts";
import { type Daemon, MAIN, startDaemon } from "../helpers/daemon.ts";
import { exchangeSchema } from "../helpers/habit.ts";
import { type HabitServer, habitServer } from "../helpers/habit-server.ts";
import { readDocument } from "../helpers/markdown.ts";
import { startNamedHosts } from "../helpers/named-hosts.ts";
import { FileScope } from "../helpers/scope.ts";

const recipeSchema = z.strictObject({
  /** The recipe's heading. */
  head: z.string(),
  secrets: z.record(z.string(), z.string()),
  /** Requests in their order; each names its host in `sent.headers.host`. */
  exchanges: z.array(exchangeSchema),
  /** Parts of what the commands print. */
  prints: z.array(z.string()),
});

type Recipe = z.output<typeof recipeSchema>;

const document = readDocument("docs/cookbook.md");
const recipes = z
  .array(recipeSchema)
  .parse(JSON.parse(readDocument("test/repository/cookbook.json").text));
const scope = new FileScope();
const servers = new Map<string, HabitServer>();
let daemon: Daemon;

const hostsOf = ({ exchanges }: Recipe) =>
  new Set(exchanges.map(({ sent }) => String(sent.headers?.host)));

test.before(async () => {
  const hosts = recipes.flatMap((recipe) => {
    const server = habitServer(recipe.head, recipe.exchanges);
    servers.set(recipe.head, server);
    return Array.from(hostsOf(recipe), (host) => [host, server.handler] as const);
  });
  const { proxy, ca } = await startNamedHosts(scope, Object.fromEntries(hosts));
  daemon = await startDaemon(scope, {
    config: { "config.toml": `proxy = "${proxy}"\nca_file = "ca.pem"\n`, "ca.pem": ca },
  });
});

test.after.always(async () => scope.end());

test("every recipe of the document is run, twenty at least, and each has hosts of its own", (t) => {
  const headings = Array.from(document.text.matchAll(/^### (.+)$/gm), ([, heading]) => heading);
  t.deepEqual(
    recipes.map(({ head }) => head),
    headings as string[],
  );
  t.true(recipes.length >= 20);
  const hosts = recipes.flatMap((recipe) => [...hostsOf(recipe)]);
  t.is(new Set(hosts).size, hosts.length);
});

const lanes = [new Turns(), new Turns(), new Turns()];

for (const [index, recipe] of recipes.entries())
  test(recipe.head, (t) => lanes[index % lanes.length]!.run(() => cook(t, recipe)));

async function cook(t: ExecutionContext, recipe: Recipe): Promise<void> {
  const section = document.section(recipe.head);
  const [file = ""] = section.blocks("toml");
  const [commands = ""] = section.blocks("sh");
  const lines = commands.replaceAll("\\\n", "").trim().split("\n").map(wordsOf);
  const name = lines.find(([, command]) => command === "add" || command === "set")?.[2] ?? "";
  const path = join(daemon.configDir, "credentials", `${name}.toml`);
  const isWritten = lines.every(([, command]) => command !== "add");
  if (isWritten) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, file, { mode: 0o600 });
  }
  let printed = "";
  for (const [program, ...args] of lines) {
    t.is(program, "authd");
    const { code, stdout, stderr } = await run(t, recipe, args);
    t.is(code, 0, `${args.join(" ")}: ${stderr}`);
    printed += stdout;
  }
  t.deepEqual(parse(readFileSync(path, "utf8")), parse(file));
  t.deepEqual(servers.get(recipe.head)?.complaints(false), []);
  for (const part of recipe.prints) t.true(printed.includes(part), `${part}: ${printed}`);
}

/** Runs one command; secrets come through a pipe, and a person signs in without a browser. */
async function run(t: ExecutionContext, { secrets }: Recipe, args: string[]) {
  const [command] = args;
  if (command === "login") return await signIn(t, args);
  const takesSecrets = command === "add" || command === "set";
  return takesSecrets
    ? await daemon.cli([...args, "--secrets-from", "-"], { input: JSON.stringify(secrets) })
    : await daemon.cli(args);
}

/** Follows the link as a browser would that the issuer sends back with a code. */
async function signIn(t: ExecutionContext, args: string[]) {
  const { child, says, ended } = start(t, process.execPath, [MAIN, ...args, "--paste"], {
    env: daemon.env,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const link = /^https:\S+$/m.exec(await says("https://"))?.[0] ?? "";
  const { searchParams } = new URL(link);
  const address = new URL(searchParams.get("redirect_uri") ?? "");
  address.searchParams.set("code", "practice-code");
  address.searchParams.set("state", searchParams.get("state") ?? "");
  child.stdin?.end(`${address.href}\n`);
  return await ended;
}

/** Splits a command line as a shell does, as far as the document's lines need it. */
function wordsOf(line: string): string[] {
  return Array.from(line.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, bare]) => quoted ?? bare ?? "");
}
