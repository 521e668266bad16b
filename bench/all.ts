/**
 * Runs every bench, one after the other, and prints one table; with `--docs` docs/architecture.md gets it,
 * too. Exit code 1 if a target was missed.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { writeFigures } from "./helpers/docs.ts";
import { ok, type Row } from "./helpers/row.ts";
import { table } from "./helpers/table.ts";

const benches = [
  "get-token",
  "shared-get-token",
  "connection-each",
  "clients",
  "agents",
  "get-command",
  "stalled-issuer",
  "cold-token",
  "authorized-request",
  "upload",
  "idle-memory",
  "many-credentials",
  "million-calls",
  "start",
];

const args = process.argv.slice(2);
const judged = !args.includes("--quick");
const rows: Row[] = [];
for (const name of benches) {
  process.stderr.write(`${name} …\n`);
  const file = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  const child = fork(file, args);
  const before = rows.length;
  child.on("message", (measured) => rows.push(...(measured as Row[])));
  const [code, signal] = await once(child, "exit");
  if (rows.length > before) continue;
  process.stderr.write(`${name} ended with ${code ?? signal}\n`);
  process.exitCode = 1;
}
process.stdout.write(table(rows, judged));
if (args.includes("--docs")) writeFigures("docs/architecture.md", rows);
if (judged && rows.some((row) => ok(row) === false)) process.exitCode = 1;
