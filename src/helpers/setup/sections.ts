/** Sections of settings files: INI, TOML, and git's. */

/** A section's header, and not the end of a list over several lines. */
const HEADER = /^\s*(\[\[?)\s*([\w.-](?:[^\]"',]|"[^"]*"|'[^']*')*)\]\]?\s*(?:[#;].*)?$/;

/** Returns the header in plain spelling; undefined if the line is none. */
function headerIn(line: string): string | undefined {
  const [, open, name] = HEADER.exec(line) ?? [];
  return open && name && `${open}${name.trimEnd()}${"]".repeat(open.length)}`;
}

/**
 * Returns the lines of a section, and where they begin and end: the header's index is `start - 1`; -1: there is no such
 * section. Undefined stands for what is before the first one.
 */
export function sectionOf(section: string | undefined, all: readonly string[]) {
  if (section === undefined) {
    const first = all.findIndex((line) => headerIn(line) !== undefined);
    const end = first === -1 ? all.length : first;
    return { start: 0, end, body: all.slice(0, end) };
  }
  const header = all.findIndex((line) => headerIn(line) === section);
  if (header === -1) return { start: -1, end: -1, body: [] };
  const next = all.findIndex((line, index) => index > header && headerIn(line) !== undefined);
  const end = next === -1 ? all.length : next;
  return { start: header + 1, end, body: all.slice(header + 1, end) };
}
