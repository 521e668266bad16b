/** Runs a program of Windows as if it was one of Linux: PORT is the host's, AUTHD_TEST_RUN the first line for it. */
import { connect } from "node:net";
import type { ProgramInput, ProgramOutput } from "./host-protocol.ts";
import { linesOf } from "./streams.ts";

const host = connect(Number(process.argv[2]), "127.0.0.1");
host.write(`${process.env.AUTHD_TEST_RUN}\n`);
const tell = (input: ProgramInput) => void host.write(`${JSON.stringify(input)}\n`);
process.stdin
  .on("data", (bytes: Buffer) => tell({ stdin: bytes.toString("base64") }))
  .on("end", () => tell({ end: true }));
host.on("error", () => process.exit(1));
host.on("close", () => process.exit());
linesOf(host, (line) => {
  const told = JSON.parse(line) as ProgramOutput;
  if ("exit" in told) {
    process.exitCode = told.exit ?? 1;
    process.stdin.destroy();
    host.end();
  } else if ("error" in told) {
    process.stderr.write(told.error);
    process.exit(1);
  } else if (!("pid" in told)) {
    for (const name of ["stdout", "stderr"] as const)
      process[name].write(Buffer.from(told[name] ?? "", "base64"));
  }
});
