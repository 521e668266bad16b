/** curl's own settings file, whose options come before those of the arguments. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { plain } from "../style.ts";
import { type CurlOptions, type Found, findCurlOptions, invalid } from "./curl-options.ts";

/** Options that would give the token to other URLs, or write it down. Its `location-trusted` is undone. */
const REFUSED: Readonly<Record<string, string>> = {
  url: "that URL would get the token",
  next: "a request would go without the token",
  config: "that file may name other URLs",
  libcurl: "it writes the token into a file",
};

/** Returns the options of each file that a version of curl reads. Throws AuthdError `invalid_params` for refused ones. */
export function curlrcOptions(env: NodeJS.ProcessEnv, options: CurlOptions): Found[] {
  return curlrcFiles(env).flatMap((file) => {
    const found = readFileSync(file, "utf8")
      .split("\n")
      .flatMap((line) => optionsIn(line, options));
    for (const { name } of found) {
      const why = name.startsWith("expand-") ? "what it stands for is not known" : REFUSED[name];
      if (why === undefined) continue;
      throw invalid(`${plain(file)} has ${name}: ${why}. With -q curl does without the file`);
    }
    return found;
  });
}

function curlrcFiles({ CURL_HOME, XDG_CONFIG_HOME }: NodeJS.ProcessEnv): string[] {
  const home = homedir();
  const files = [
    ...(CURL_HOME ? [join(CURL_HOME, ".curlrc")] : []),
    ...(XDG_CONFIG_HOME ? [join(XDG_CONFIG_HOME, "curlrc"), join(XDG_CONFIG_HOME, ".curlrc")] : []),
    join(home, ".curlrc"),
    join(home, ".config", "curlrc"),
  ];
  return files.filter((file) => existsSync(file));
}

/** Reads one line as curl does; one that curl does not know has no effect there either. */
function optionsIn(line: string, options: CurlOptions): Found[] {
  // Behind a name without dashes there may be "=" or ":".
  const parts = /^\s*(?:(-\S*)|([^\s=:#][^\s=:]*))[\s=:]*(.*?)\s*$/.exec(line);
  if (!parts) return [];
  const [, dashed, name = "", rest = ""] = parts;
  const word = dashed ?? `--${name}`;
  const value =
    /^"((?:[^"\\]|\\.)*)"?/.exec(rest)?.[1]?.replace(/\\(.)/g, "$1") ?? /^\S*/.exec(rest)![0];
  return known([word], options) ?? known([word, value], options) ?? [];
}

function known(words: readonly string[], options: CurlOptions): Found[] | undefined {
  try {
    return findCurlOptions(words, options);
  } catch {
    return undefined;
  }
}
