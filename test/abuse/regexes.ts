/** Regular expressions must not take more than their share of what is hostile to them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { wordsOf } from "../../src/access/identity/windows.ts";
import { stripControlChars } from "../../src/base/terminal-safe.ts";
import { allowedUrl } from "../../src/request/origin.ts";

const SRC = fileURLToPath(new URL("../../src/", import.meta.url));
/** A literal, after what can come before an expression. */
const LITERAL =
  /(?<=(?:^|[=(,:!&|?{};[\n]|return)\s*)\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])*)\/([dgimsuvy]*)/g;

interface Found {
  file: string;
  regex: RegExp;
}

/** Compiled sources; chunks are made of them. */
const filesOfSources = () =>
  readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".js") && !file.startsWith("chunks"),
  );

function literals(): Found[] {
  return filesOfSources().flatMap((file) => {
    const code = readFileSync(join(SRC, file), "utf8").replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
    return [...code.matchAll(LITERAL)].flatMap(([, source = "", flags = ""]) => {
      try {
        return [{ file, regex: new RegExp(source, flags.replace("y", "")) }];
      } catch {
        return [];
      }
    });
  });
}

/** Returns the expressions that files of the sources make of parts when they are loaded. */
async function built(): Promise<Found[]> {
  const names = filesOfSources().filter((file) =>
    /^const \w+ = new RegExp\(/m.test(readFileSync(join(SRC, file), "utf8")),
  );
  const found: Found[] = [];
  const { RegExp: original } = globalThis;
  try {
    for (const file of names) {
      globalThis.RegExp = new Proxy(original, {
        construct(target, [source, flags = ""]: [string, string?]) {
          found.push({ file, regex: new target(source, flags.replace("y", "")) });
          return new target(source, flags);
        },
      });
      // Loaded anew.
      await import(`${join(SRC, file)}?built`);
    }
  } finally {
    globalThis.RegExp = original;
  }
  return found;
}

/** Beginnings, what is repeated, and an end that lets the match fail as late as can be. */
const UNITS = [
  ..."a0 \t/\\=.,:;-_\"'%{}[]()<>@&?#+*|~^$!\r\n\x1b\x00é",
  ...[
    "ab",
    "a.",
    "a,",
    "a=",
    'a="',
    '\\"',
    ", ",
    "=,",
    "\r\n",
    "\x1b[",
    "\x1b]",
    "..",
    "a b",
    "0.",
    '="a\\',
  ],
];
const ENDS = ["\x00", ""];

/** Returns units made of the words that an expression looks for. */
function unitsOf({ source }: RegExp): string[] {
  const words = source.replace(/\\[a-z]/gi, " ").match(/[A-Za-z_]{3,}/g) ?? [];
  return [...new Set(words)].flatMap((word) => [word, `${word} `, `${word} ,`, `${word}=`]);
}

/** Milliseconds of this process, the best of some: what else the machine does counts little. */
function cost(work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

/** Four times as much may take four times as long, and some; sixteen times is a square. */
const SHARE = 10;
const SMALL = 2_500;
/** Milliseconds. */
const QUICK = 8;

function growsTooFast(work: (size: number) => void): boolean {
  const started = performance.now();
  work(4 * SMALL);
  // What is over at once needs no second look.
  if (performance.now() - started < QUICK) return false;
  const [large, small] = [4 * SMALL, SMALL].map((size) => cost(() => work(size)));
  return large! > Math.max(QUICK, SHARE * small!);
}

test("the measure finds a regular expression that explodes", (t) => {
  const bad = /,+\s*$/;
  t.true(growsTooFast((size) => void bad.test(`${",".repeat(size)}!`)));
  t.true(literals().length > 60);
});

test("units are made of the words of an expression", (t) => {
  const bad = /(^|,)\s*Bearer\s(.*[\s,])?error\s*=\s*"?expired\b/is;
  t.true(unitsOf(bad).some((unit) => growsTooFast((size) => void bad.test(unit.repeat(size)))));
});

test("no regular expression of the sources takes the square of what it is given", async (t) => {
  const made = await built();
  t.true(made.length > 3);
  const guilty = [...literals(), ...made].flatMap(({ file, regex }) => {
    const unit = [...UNITS, ...unitsOf(regex)].find((one) =>
      ENDS.some((end) => {
        const text = (size: number) => `${one.repeat(size)}${end}`;
        return growsTooFast((size) => void text(size).replace(regex, ""));
      }),
    );
    return unit === undefined ? [] : [`${file}: ${regex} on ${JSON.stringify(unit)}`];
  });
  t.deepEqual(guilty, []);
});

test("whole parsers take no more than their share either", (t) => {
  const owner = { name: "mine", origins: ["https://api.example.com"] };
  const parsers: Record<string, (text: string) => void> = {
    plain: stripControlChars,
    "command line of Windows": wordsOf,
    url: (text) => {
      try {
        allowedUrl(`https://api.example.com/${text}`, owner);
      } catch {}
    },
  };
  for (const [name, parse] of Object.entries(parsers)) {
    for (const unit of UNITS) {
      t.false(
        growsTooFast((size) => parse(unit.repeat(size))),
        `${name} on ${JSON.stringify(unit)}`,
      );
    }
  }
});
