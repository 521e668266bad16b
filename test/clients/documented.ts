/** The programs of docs/clients.md, as they stand, against the practice APIs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { install } from "../helpers/bin.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
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

const LANGUAGES = [
  { language: "js", program: process.execPath, ending: "mjs" },
  { language: "python", program: "python3", ending: "py" },
  {
    language: "php",
    program: "php",
    ending: "php",
    options: ["-d", `auto_prepend_file=${join(ROOT, "clients/php/autoload.php")}`],
  },
];

for (const { language, program, ending, options = [] } of LANGUAGES) {
  test.serial(`every program in ${language} runs`, async (t) => {
    if (language !== "js" && absent(program).length > 0)
      return missing(t, `${program} is not installed`);
    const { socket, values } = await startSandbox(t);
    const PYTHONPATH = join(ROOT, "clients/python/src");
    // A version manager's programs look for it in the real home.
    const env = { AUTHD_SOCKET: socket, PYTHONPATH, HOME: process.env.HOME };
    const place = install(t, env);
    const blocks = readDocument("docs/clients.md").section("The four APIs").blocks(language);
    for (const block of blocks) {
      const name = /^(?:\/\/|#) (\S+)$/m.exec(block)?.[1] ?? "";
      const text = Object.entries(HOSTS).reduce(
        (given, [host, api]) => given.replaceAll(host, values[api]!),
        block.replaceAll("/models/42/", "/models/7/"),
      );
      writeFileSync(join(place.folder, name), text);
    }
    for (const [api, printed] of Object.entries(PRINTS)) {
      const { code, stdout, stderr } = await place.run(program, [...options, `${api}.${ending}`]);
      t.is(code, 0, stderr);
      t.regex(stdout, printed, api);
    }
    return t.is(blocks.length, Object.keys(PRINTS).length);
  });
}
