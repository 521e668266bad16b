/** git's credential helpers, as git itself reads its settings. */
import { spawnSync } from "node:child_process";

/** One line that names a helper. */
interface HelperLine {
  /** What stands behind `helper =`; empty: those before it are not asked. */
  value: string;
  /** The section's URL, or a part of one; absent: for all hosts. */
  url?: string;
  /** The file, or `command line:`. */
  place: string;
}

/**
 * Tells which helpers besides `own` git tells the tokens of these origins, or of all hosts if there are none: by its
 * settings in the working directory. Says nothing where git can't be run, or does not ask `own`.
 */
export function leaksOf(own: string, origins: readonly string[]): string[] {
  const list = ["config", "--list", "--show-origin", "-z"];
  const { status, stdout } = spawnSync("git", list, { encoding: "utf8" });
  if (status !== 0) return [];
  const lines = helperLines(stdout);
  const say = (where: string, others: readonly string[], mend: string) =>
    others.length === 0
      ? []
      : [`git gives the tokens of ${where} to ${others.join(", ")} too: ${mend}`];
  if (origins.length === 0)
    return say("all hosts", othersIn(lines, own), "--for HOST=NAME keeps them out");
  return Array.from(new Set(origins)).flatMap((origin) =>
    say(origin, othersIn(lines, own, origin), "in front of authd's lines it is not asked"),
  );
}

/** Returns the other helpers for an origin, as `HELPER (FILE)`. */
function othersIn(lines: readonly HelperLine[], own: string, origin?: string): string[] {
  const asked: HelperLine[] = [];
  for (const line of lines) {
    const match = matches(line.url, origin);
    if (line.value === "" && match === "whole") asked.length = 0;
    else if (line.value !== "" && match) asked.push(line);
  }
  if (!asked.some(({ value }) => value === own)) return [];
  const others = asked.filter(({ value }) => value !== own);
  return others.map(({ value, place }) => `${programOf(value)} (${place})`);
}

/** Returns a helper without its arguments, and nothing of a script, which may hold a secret. */
function programOf(value: string): string {
  if (!value.startsWith("!")) return value.trim().split(/\s/)[0] ?? "";
  const [, program] = /^!\s*(?:exec\s+)?((?:[\w.+-]*\/)*[\w.+-]+)(?:\s|$)/.exec(value) ?? [];
  return program ?? "a script";
}

/** Reads `ORIGIN NUL KEY LF VALUE NUL`, and so on. */
function helperLines(text: string): HelperLine[] {
  const parts = text.split("\0");
  return parts.flatMap((entry, at) => {
    const found = at % 2 === 1 && /^credential\.(?:([^\n]*)\.)?helper(?:\n(.*))?$/s.exec(entry);
    if (!found) return [];
    const [, url, value = ""] = found;
    const place = parts[at - 1]!.replace(/^file:/, "");
    return { value, place, ...(url === undefined ? {} : { url }) };
  });
}

/** Tells for how much of an origin the settings of a URL, or of a part of one, count (git-config(1)). */
function matches(url: string | undefined, origin: string | undefined): "whole" | "part" | false {
  if (url === undefined) return "whole";
  if (origin === undefined) return false;
  const [, scheme, user, host = "", path = ""] =
    /^(?:([a-z][a-z0-9+.-]*):\/\/)?([^/@]*@)?([^/]*)\/*(.*)$/i.exec(url) ?? [];
  const [protocol = "", wanted = ""] = origin.split("://");
  if (scheme !== undefined && scheme.toLowerCase() !== protocol) return false;
  const usualPort = protocol === "https" ? /:443$/ : /:80$/;
  const labels = host.toLowerCase().replace(usualPort, "").split(".");
  const wantedLabels = wanted.split(".");
  const isSame = labels.every((label, index) => label === "*" || label === wantedLabels[index]);
  if (host !== "" && (labels.length !== wantedLabels.length || !isSame)) return false;
  return user === undefined && path === "" ? "whole" : "part";
}
