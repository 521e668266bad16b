/** The commands that people look at every day, on terminals of several sizes. */
import type { ExecutionContext } from "ava";
import { startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { type ScreenLine, type Size, screenOf } from "../helpers/screen.ts";
import { CTRL_C, onTerminal } from "../helpers/terminal.ts";

const SIZES: readonly Size[] = [
  { columns: 80, rows: 24 },
  { columns: 200, rows: 50 },
  { columns: 40, rows: 24 },
];
const LONG_NAME = "a-rather-long-name-of-a-credential-for-orders";

/** A daemon with a credential that is well, one with a long name, and one whose address leads nowhere. */
async function startShown(t: ExecutionContext) {
  const daemon = await startDaemon(t);
  const origins = ["https://api.orders.internal.example.com"];
  const credential = { grant: "static", settings: { origins }, secrets: { token: "x" } };
  for (const name of ["github", LONG_NAME]) t.is((await daemon.add(name, { credential })).code, 0);
  const settings = { token_url: "https://no-such-host.invalid/token", client_id: "app" };
  const lost = { grant: "client_credentials", settings, secrets: { client_secret: "x" } };
  t.is((await daemon.add("e5", { credential: lost })).code, 7);
  return daemon;
}

/** Words that the terminal broke, but for those that no line could hold, and for commands, which are to be copied. */
function brokenWords(lines: readonly ScreenLine[], { columns }: Size): string[] {
  return lines.flatMap(({ text, isWrapped }, index) => {
    if (!isWrapped) return [];
    let first = index;
    while (lines[first]?.isWrapped) first--;
    const whole = lines
      .slice(first, index + 1)
      .map((line) => line.text)
      .join("");
    const before = lines[index - 1]?.text ?? "";
    const word = `${/\S*$/.exec(before)?.[0]}${/^\S*/.exec(text)?.[0]}`;
    const isWhole = before.length < columns || text.startsWith(" ");
    if (isWhole || word.length > columns - 20 || /→ |: authd |^ +authd /.test(whole)) return [];
    return [word];
  });
}

const textOf = (lines: readonly ScreenLine[]) => lines.map(({ text }) => text).join("\n");

for (const size of SIZES) {
  const { columns } = size;
  onLinux(`status, list, show, doctor and help break no word at ${columns} columns`, async (t) => {
    const daemon = await startShown(t);
    for (const args of [["status"], ["list"], ["show", "e5"], ["doctor"], ["get", "--help"]]) {
      const { stdout } = await onTerminal(t, daemon, args, size).ended;
      const lines = await screenOf(stdout, size);
      t.deepEqual(brokenWords(lines, size), [], `${args.join(" ")}\n${textOf(lines)}`);
      if (!["status", "list"].includes(args[0]!)) continue;
      t.is(textOf(lines).includes(LONG_NAME), columns >= 80, textOf(lines));
      t.regex(textOf(lines), /^github .*○ untested/m);
    }
  });

  onLinux(`status --watch and add fit ${columns} columns`, async (t) => {
    const daemon = await startShown(t);
    const watch = onTerminal(t, daemon, ["status", "--watch"], size);
    const shown = await screenOf(await watch.says("github"), size);
    t.deepEqual(
      shown.filter(({ isWrapped }) => isWrapped),
      [],
    );
    t.is(textOf(shown).includes(LONG_NAME), columns >= 80, textOf(shown));
    await watch.type("", "q");
    await watch.ended;
    const add = onTerminal(t, daemon, ["add", "new", "--grant", "static"], size);
    await add.type("How does the API want", CTRL_C);
    const asked = await screenOf((await add.ended).stdout, size);
    t.deepEqual(brokenWords(asked, size), [], textOf(asked));
  });
}
