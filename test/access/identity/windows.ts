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
};

for (const [line, words] of Object.entries(LINES))
  test(`words of a command line of Windows: ${line}`, (t) => t.deepEqual(wordsOf(line), words));
