import { readFileSync } from "node:fs";

/** A system call that returned. */
interface Call {
  name: string;
  /** As strace writes it, but for strings, which are left out. */
  args: string;
  /** Every string among its arguments, and in structures that they point to. */
  strings: Buffer[];
  result: number;
}

/** It began or ended: other threads may have done something in between. */
export interface Happening {
  call: Call;
  what: "enter" | "return";
}

/** What strace is to be called with for `readTrace`; then come the program and its arguments. */
export const straceArgs = (file: string, calls: readonly string[]) => [
  ...["-f", "--seccomp-bpf", "-xx", "-s", "1000000", "-o", file],
  ...["-e", `trace=${calls.join(",")}`, "-e", "signal=none", "--"],
];

const WHOLE = /^(\w+)\((.*)\)\s+= (-?\d+|\?).*$/s;
const BEGUN = /^(\w+)\((.*) <unfinished \.\.\.>$/s;
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)\)\s+= (-?\d+|\?).*$/s;

/** What the traced threads did, in the order in which strace saw it. */
export function readTrace(file: string): Happening[] {
  const happenings: Happening[] = [];
  const begun = new Map<string, { call: Call; text: string }>();
  for (const line of readFileSync(file, "latin1").split("\n")) {
    const space = line.indexOf(" ");
    const thread = line.slice(0, space);
    const rest = line.slice(space).trim();
    const whole = WHOLE.exec(rest);
    const resumed = RESUMED.exec(rest);
    const first = BEGUN.exec(rest);
    if (resumed) {
      const open = begun.get(thread);
      if (!open) continue;
      begun.delete(thread);
      Object.assign(open.call, decoded(open.text + resumed[2]!), { result: Number(resumed[3]) });
      happenings.push({ call: open.call, what: "return" });
    } else if (first) {
      const call: Call = { name: first[1]!, ...decoded(first[2]!), result: Number.NaN };
      begun.set(thread, { call, text: first[2]! });
      happenings.push({ call, what: "enter" });
    } else if (whole) {
      const call = { name: whole[1]!, ...decoded(whole[2]!), result: Number(whole[3]) };
      happenings.push({ call, what: "enter" }, { call, what: "return" });
    }
  }
  return happenings;
}

function decoded(text: string): Pick<Call, "args" | "strings"> {
  const strings: Buffer[] = [];
  const args = text.replace(/"((?:\\x[0-9a-f]{2})*)"/g, (_, hex: string) => {
    strings.push(Buffer.from(hex.replaceAll("\\x", ""), "hex"));
    return '""';
  });
  return { args, strings };
}
