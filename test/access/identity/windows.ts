import test from "ava";
import { wordsOf } from "../../../src/access/identity/windows.ts";

const LINES: Record<string, string[]> = {
  "node main.js get": ["node", "main.js", "get"],
  '"C:\\Program Files\\node.exe" "C:\\my app\\main.js"  get orders': [
    ...["C:\\Program Files\\node.exe", "C:\\my app\\main.js", "get", "orders"],
  ],
  "node C:\\a\\b\\ -x": ["node", "C:\\a\\b\\", "-x"],
  '"C:\\a b\\\\" c': ["C:\\a b\\", "c"],
  '"a \\"b\\" c" d': ['a "b" c', "d"],
  'a\\\\\\"b c': ['a\\"b', "c"],
  '--name="with spaces" ""': ["--name=with spaces", ""],
  '"not ended': ["not ended"],
  "": [],
  'a" b\\c "\td': ["a b\\c ", "d"],
};

for (const [line, words] of Object.entries(LINES))
  test(`words of a command line of Windows: ${line}`, (t) => t.deepEqual(wordsOf(line), words));

test("a command line of backslashes is split in no time worth a word", (t) => {
  const slashes = "\\".repeat(32_000);
  const cost = (line: string) => {
    const before = process.cpuUsage();
    t.is(wordsOf(line).length, 1);
    return process.cpuUsage(before).user / 1000;
  };
  // A square would take a second and a half.
  t.true(cost(slashes) < 200);
  t.true(cost(`"${slashes}`) < 200);
});
