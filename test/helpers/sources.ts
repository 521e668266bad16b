import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout: tests run from dist/test. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** One import in a source file. */
export interface Import {
  /** A path below src for our own files, otherwise the package's or `node:` module's name. */
  of: string;
  ours: boolean;
  /** `type`: gone after compilation; `lazy`: loaded by a call, not with the file. */
  kind: "static" | "type" | "lazy";
}

/** A TypeScript file of src. */
export interface Source {
  /** Below src, with `/`. */
  path: string;
  /** Without comments. */
  code: string;
  imports: Import[];
}

export function readSources(): Source[] {
  const folder = join(ROOT, "src");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .sort()
    .map((path) => {
      const code = withoutComments(readFileSync(join(folder, path), "utf8"));
      return { path, code, imports: importsOf(path, code) };
    });
}

/** Biome's formatting is what makes expressions enough for this. */
const withoutComments = (text: string) =>
  text.replace(/^\s*\/\*[\s\S]*?\*\/$/gm, "").replace(/(^|\s)\/\/ .*$/gm, "");

const STATIC = /^(?:import|export)( type)? (?:[^;"=]*\bfrom )?"([^"]+)";/gm;
const LAZY = /(typeof )?(?:\bimport|\brequire|\bcreateRequire\(import\.meta\.url\))\("([^"]+)"\)/g;

function importsOf(path: string, code: string): Import[] {
  const named = (specifier: string, kind: Import["kind"]): Import => {
    const ours = specifier.startsWith(".");
    return {
      of: ours ? relative("", join(dirname(path), specifier)) : packageOf(specifier),
      ours,
      kind,
    };
  };
  return [
    ...[...code.matchAll(STATIC)].map(([, type, of = ""]) => named(of, type ? "type" : "static")),
    ...[...code.matchAll(LAZY)].map(([, type, of = ""]) => named(of, type ? "type" : "lazy")),
  ];
}

/** `@scope/name/file.js` is of `@scope/name`. */
const packageOf = (specifier: string) =>
  specifier.startsWith("node:") ? specifier : /^(?:@[^/]+\/)?[^/]+/.exec(specifier)![0];
