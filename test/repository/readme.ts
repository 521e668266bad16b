import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { EXIT, EXIT_CODE } from "../../src/cli/exit-code.ts";
import { connect } from "../../src/client.ts";
import { loadConfiguration } from "../../src/config/config.ts";
import type { PracticeName } from "../../src/sandbox/index.ts";
import { startPracticeApis } from "../../src/sandbox/index.ts";
import { install } from "../helpers/bin.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { start } from "../helpers/child.ts";
import { MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { readDocument } from "../helpers/markdown.ts";
import { absent, missing, onLinux } from "../helpers/optional.ts";

import { ROOT } from "../helpers/sources.ts";
import { ENTER, onOwnTerminal } from "../helpers/terminal.ts";
import { until } from "../helpers/until.ts";

const readme = readDocument("README.md");
const guide = readDocument("docs/guide.md");

/** A line of a console block as a pattern: numbers may differ, and `…` is anything. */
function pattern(line: string): RegExp {
  const words = line
    .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replaceAll("…", ".*")
    // A renewal may be under way, and then nothing is due.
    .replace(/● ready +in \d+ s +in \d+ s/, ".*")
    .replace(/\d+(\\\.\d+)*/g, "[\\d.]+")
    .replace(/ +/g, " +");
  return new RegExp(`^${words}$`);
}

test("A 60-second tour", async (t) => {
  const [script = ""] = guide.section("A 60-second tour").blocks("console");
  const place = install(t, { TMPDIR: process.env.TMPDIR });
  const sandbox = start(t, process.execPath, [MAIN, "sandbox"], { env: place.env });
  const welcome = await sandbox.says("leaves nothing behind");
  const pasted = welcome.match(/^ {4}(export|alias) .*/gm) ?? [];
  t.is(pasted.length, 2, welcome);
  const steps = script.split(/^\$ /m).slice(1);
  t.true(steps.length >= 8);
  const commands = steps.map((step) => step.split("\n", 1)[0]!);
  const marked = commands.map((command) => `${command}\necho "=== $?"`).join("\n");
  const { stdout } = await place.bash(`exec 2>&1\n${pasted.join("\n")}\n${marked}`);
  const answers = stdout.split(/=== \d+\n/);
  for (const [index, step] of steps.entries()) {
    const [command, ...expected] = step.trimEnd().split("\n");
    const lines = (answers[index] ?? "").trimEnd().split("\n");
    for (const [row, line] of expected.entries()) {
      if (line === "…") break;
      t.regex(lines[row] ?? "", pattern(line), `${command}\n${answers[index]}`);
    }
  }
  sandbox.child.kill("SIGINT");
  t.is((await sandbox.ended).code, 0);
});

/** What the practice API stands in for, and what the README leaves to the reader. */
const stands: Record<
  PracticeName,
  { for: readonly RegExp[]; more: (settings: Settings) => Settings }
> = {
  labelf: {
    for: [/https:\/\/api\.app\.labelf\.ai/g],
    more: ({ token_url, origins, verify }) => ({ token_url, origins, "verify.url": url(verify) }),
  },
  onestepai: { for: [/https:\/\/app-eu\.onestepai\.com/g], more: ({ base_url }) => ({ base_url }) },
  zebbra: { for: [/http:\/\/localhost:8000/g], more: () => ({}) },
  realtyna: {
    for: [/https:\/\/api\.realtyfeed\.com/g],
    more: ({ api_url, referer, origin }) => ({ api_url, referer, origin }),
  },
};
type Settings = Record<string, unknown>;
const url = (verify: unknown) => (verify as { url: string }).url;

const titles: Record<string, PracticeName> = {
  Labelf: "labelf",
  "OneStep AI": "onestepai",
  Zebbra: "zebbra",
  Realtyna: "realtyna",
};

for (const [title, name] of Object.entries(titles)) {
  test(title, async (t) => {
    const daemon = await startDaemon(t);
    const apis = await startPracticeApis();
    t.teardown(() => Promise.all(Object.values(apis).map((api) => api.close())));
    const api = apis[name];
    const { settings, secrets } = api.credential;
    const place = install(t, daemon.env);
    writeFileSync(join(place.folder, "secrets.json"), JSON.stringify(secrets), { mode: 0o600 });
    const more = Object.entries(stands[name].more(settings))
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` --set '${key}=${value}'`);
    const [block = ""] = guide.section(title).blocks("sh");
    const lines = block.trim().split("\n");
    t.is(lines.length, 4);
    for (const line of lines) {
      const script = stands[name].for
        .reduce((text, host) => text.replace(host, api.url), line)
        .replace("YOUR-CLIENT-ID", `'${settings.client_id}'`)
        .replace("me@example.com", String(settings.username))
        .replace("https://YOUR-AUTHENTICATION-URL", String(settings.token_url));
      const added = script.startsWith("authd add");
      const { code, stdout, stderr } = await place.bash(
        added
          ? `${script}${more.join("")} --secrets-from secrets.json`
          : `${script} -f`.replace(/^(authd (?:get|test).*) -f$/, "$1"),
      );
      t.is(code, 0, `${line}\n${stdout}${stderr}`);
      t.not(stdout, "");
    }
  });
}

test("Any other API", async (t) => {
  const daemon = await startDaemon(t);
  const { labelf, ...others } = await startPracticeApis();
  t.teardown(() => Promise.all([labelf, ...Object.values(others)].map((api) => api.close())));
  const place = install(t, daemon.env);
  const [block = ""] = guide.section("Any other API").blocks("sh");
  const [orders = "", legacy = ""] = block.trim().split("\n");
  const { settings, secrets } = labelf.credential;
  writeFileSync(join(place.folder, "s.json"), JSON.stringify(secrets), { mode: 0o600 });
  const script = orders
    .replace("https://login.example.com/oauth2/token", String(settings.token_url))
    .replace("orders-app", `'${settings.client_id}'`);
  const added = await place.bash(`${script} --secrets-from s.json && authd get orders`);
  t.is(added.code, 0, added.stderr);
  const fixed = await place.bash(
    `${legacy} --secrets-from - <<< '{"token":"from-long-ago"}' && authd get legacy`,
  );
  t.regex(fixed.stdout, /^from-long-ago$/m, fixed.stderr);
});

/** A daemon with a credential `labelf`, and the shell of a user to whom the practice API is Labelf. */
async function withLabelf(t: ExecutionContext) {
  const daemon = await startDaemon(t);
  const apis = await startPracticeApis();
  t.teardown(() => Promise.all(Object.values(apis).map((api) => api.close())));
  const { labelf } = apis;
  t.is((await daemon.add("labelf", labelf)).code, 0);
  const runtime = join(daemon.folder, "run");
  mkdirSync(runtime);
  symlinkSync(dirname(daemon.socket), join(runtime, "authd"));
  const place = install(t, { ...daemon.env, XDG_RUNTIME_DIR: runtime });
  const here = (text: string) => text.replaceAll("https://api.app.labelf.ai", labelf.url);
  return { daemon, labelf, place, here };
}

test("In shell scripts", async (t) => {
  const { place, here } = await withLabelf(t);
  const [block = ""] = guide.section("In shell scripts").blocks("sh");
  const { code, stdout, stderr } = await place.bash(here(`${block}\necho "$TOKEN"`));
  t.is(code, 0, stderr);
  t.regex(stdout, /Guest reviews/);
  t.regex(stdout, /practice-labelf-\S+\n$/);
  t.regex(readFileSync(join(place.folder, "models.json"), "utf8"), /Guest reviews/);
});

onLinux("Ask me first", async (t) => {
  const { daemon, place } = await withLabelf(t);
  const [block = ""] = guide.section("Ask me first").blocks("sh");
  const [set = "", get = "", approve = ""] = block.trim().split("\n");
  t.is((await place.bash(set)).code, 0);
  const waiting = place.bash(`${get}; exit $?`);
  const asked = connect({ socket: daemon.socket });
  await until(async () => {
    return (await asked.request("approvals/pending", {})).approvals.length === 1;
  });
  asked.close();
  const terminal = onOwnTerminal(t, daemon, approve.split(" ").slice(1));
  await terminal.type("Allow it (1)?", ENTER);
  const { code, stdout, stderr } = await waiting;
  t.is(code, 0, stderr);
  t.not(stdout, "");
});

test("In cron", async (t) => {
  const { place, here } = await withLabelf(t);
  const [block = ""] = guide.section("In cron").blocks("crontab");
  const line = block.trim();
  const command = here(line.replace(/^(\S+ ){5}/, "").replace("/usr/bin/authd", "authd"));
  const { AUTHD_SOCKET: _, ...env } = place.env;
  const { XDG_RUNTIME_DIR: __, ...bare } = env;
  const lost = await install(t, bare).bash("authd status");
  t.is(lost.code, EXIT.noDaemon);
  t.regex(lost.stderr, /No daemon answers on .*, nor a service's in \/run\/user\/\d+\./);
  const { code, stderr } = await install(t, env).bash(`cd '${place.folder}' && ${command}`);
  t.is(code, 0, stderr);
  t.regex(readFileSync(join(place.folder, "models.json"), "utf8"), /Guest reviews/);
});

test("From Node", async (t) => {
  const { place, here } = await withLabelf(t);
  const [block = ""] = guide.section("From Node").blocks("js");
  writeFileSync(join(place.folder, "example.mjs"), here(block));
  const { code, stdout, stderr } = await place.run(process.execPath, ["example.mjs"]);
  t.is(code, 0, stderr);
  t.regex(stdout, /^200 /);
  t.regex(stdout, /Guest reviews/);
  t.regex(stdout, /\[ 'authorization' \]/);
});

test("From Python, PHP, or anything else: a line of JSON through nc", async (t) => {
  const { place } = await withLabelf(t);
  const [block = ""] = guide.section("From Python, PHP, or anything else").blocks("sh");
  if (absent("nc").length > 0)
    return missing(t, "nc is not installed (Debian package netcat-openbsd)");
  const { code, stdout, stderr } = await place.bash(block);
  t.is(code, 0, stderr);
  return t.like(JSON.parse(stdout), { id: 1, result: { tokenType: "Bearer" } });
});

test("Secrets: out of a file, through a pipe", async (t) => {
  const { place, labelf } = await withLabelf(t);
  const [block = ""] = guide.section("Secrets").blocks("sh");
  writeFileSync(
    join(place.folder, "client-secret.txt"),
    `${labelf.credential.secrets.client_secret}\n`,
  );
  if (absent("jq").length > 0) return missing(t, "jq is not installed");
  const { code, stdout, stderr } = await place.bash(block);
  t.is(code, 0, stderr);
  return t.regex(stdout, /ready/);
});

test("Settings: config.toml as it is shown", (t) => {
  const [block = ""] = guide.section("Settings").blocks("toml");
  const home = makeHome(t, {
    config: {
      "config.toml": block,
      "company-ca.pem": createAuthority().ca,
      "credentials/x.toml": 'grant = "static"\n',
    },
  });
  const { daemon, errors, credentials } = loadConfiguration({ dir: home.configDir, env: {} });
  t.deepEqual(errors, []);
  t.deepEqual(
    { ...daemon },
    {
      logLevel: "info",
      vaultKey: "auto",
      proxy: "http://proxy.example.com:3128",
      maxConnections: 256,
    },
  );
  t.is(credentials.get("x")?.warm, "always");
  t.truthy(credentials.get("x")?.ca);
});

test("When something needs you: config.toml as it is shown, and what the hook gets", (t) => {
  const section = guide.section("When something needs you");
  const [block = ""] = section.blocks("toml");
  const home = makeHome(t, { config: { "config.toml": block } });
  t.like(loadConfiguration({ dir: home.configDir, env: {} }).daemon, {
    notify: true,
    hook: ["/home/ada/bin/tell-me", "now"],
    metricsFile: "/var/lib/node_exporter/textfile/authd.prom",
    metricsListen: { host: "127.0.0.1", port: 9464 },
  });
  const source = readFileSync(join(ROOT, "src/observe/hook.ts"), "utf8");
  const told = section.text.match(/AUTHD_\w+/g) ?? [];
  t.deepEqual([...new Set(told)].sort(), [...new Set(source.match(/AUTHD_\w+/g))].sort());
});

test("When something is wrong: the exit codes are those of the program", (t) => {
  const { text } = guide.section("When something is wrong");
  const rows = Array.from(text.matchAll(/^\| (\d) \| [^|]+ \|(.*)\|$/gm), (row) => [
    row[1],
    row[2],
  ]);
  t.deepEqual(
    rows.map(([code]) => Number(code)),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  const told = rows.flatMap(([code, reasons]) =>
    Array.from(reasons!.matchAll(/`(\w+)`/g), (match) => [match[1]!, Number(code)] as const),
  );
  const listed = Object.entries(EXIT_CODE).filter(([, code]) => code !== EXIT.failed);
  t.deepEqual(Object.fromEntries(told), Object.fromEntries(listed));
});

test("Test your own program against it", async (t) => {
  const [block = ""] = guide.section("Test your own program against it").blocks("js");
  const place = install(t, { TMPDIR: process.env.TMPDIR });
  writeFileSync(join(place.folder, "example.mjs"), block);
  const { code, stdout, stderr } = await place.run(process.execPath, ["example.mjs"]);
  t.is(code, 0, stderr);
  t.is(stdout, "labelf 200\nonestepai 200\nzebbra 200\nrealtyna 200\n");
});

test("every command and option that a document names exists", async (t) => {
  const place = install(t);
  const helps = new Map<string, string>();
  const documents = [
    "README.md",
    "docs/guide.md",
    "docs/protocol.md",
    "docs/cli.md",
    "docs/configuration.md",
    "docs/presets.md",
    "docs/security.md",
  ];
  for (const path of documents) {
    const { text } = readDocument(path);
    for (const [call, command = ""] of text.matchAll(/\bauthd ([a-z][a-z-]*)\b[^\n|`;&)]*/g)) {
      const named = text.includes(`\`authd ${command}`) || text.includes(`\nauthd ${command} `);
      if (!named) continue;
      const known = helps.get(command) ?? (await place.run("authd", [command, "--help"])).stdout;
      helps.set(command, known);
      t.regex(known, /^Usage: authd /, `${path}: ${call}`);
      for (const [option] of call.matchAll(/(?<= )--?[a-z][a-z-]*/gi)) {
        t.true(known.includes(option), `${path}: ${call}: ${option}`);
      }
    }
  }
  t.true(helps.size > 10);
});

test("the documents link to files and headings that are there", (t) => {
  const anchor = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-");
  for (const path of [
    "README.md",
    "docs/guide.md",
    "docs/protocol.md",
    "docs/cli.md",
    "docs/configuration.md",
    "docs/presets.md",
    "docs/security.md",
    "docs/clients.md",
    "docs/architecture.md",
    "docs/decisions.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
  ]) {
    for (const [, link = ""] of readDocument(path).text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [file, heading] = link.split("#");
      const target = file ? join(dirname(path), file) : path;
      const { text } = readDocument(target);
      const anchors = Array.from(text.matchAll(/^#+ (.*)$/gm), (match) => anchor(match[1]!));
      if (heading !== undefined) t.true(anchors.includes(heading), `${path}: ${link}`);
    }
  }
});

test("the README is short, and tells early how to install and try it", (t) => {
  const lines = readme.text.split("\n");
  t.true(lines.length < 150);
  for (const command of ["authd service install", "npm start", "npm test"]) {
    t.true(
      lines.slice(0, 45).some((line) => line.includes(command)),
      command,
    );
  }
  const adds = readme.section("The APIs that it knows").text.match(/authd add [^`]*/g) ?? [];
  t.is(adds.length, 4);
  for (const command of adds) t.true(guide.text.includes(`${command}\n`), command);
});

test("Three commands", async (t) => {
  const seen: (string | undefined)[] = [];
  const api = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`);
    response.end("{}");
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  t.teardown(() => api.close());
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const place = install(t, (await startDaemon(t)).env);
  const [block = ""] = readme.section("Three commands").blocks("sh");
  const lines = block.trim().replaceAll("https://api.github.com", url).split("\n");
  t.is(lines.length, 3);
  const [add = "", ...rest] = lines.map((line) => line.replace(/ +#.*/, ""));
  const added = await place.bash(`echo '{"token":"a-token"}' | ${add} --secrets-from -`);
  t.is(added.code, 0, added.stderr);
  for (const line of rest) t.is((await place.bash(line)).stdout, "{}", line);
  t.deepEqual(seen.slice(-2), ["/user Bearer a-token", "/user Bearer a-token"]);
});
