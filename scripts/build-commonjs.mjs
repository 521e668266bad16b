// Makes the CommonJS side of the package's entries: one file each, and the same types under names for `require`.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Entries of package.json, below dist/src. */
const ENTRIES = ["client.js", "client/undici.js", "client/axios.js"];

/** `sources` is the folder of compiled sources. */
export async function buildCommonJs(sources) {
  const { build } = await import("esbuild");
  for (const entry of ENTRIES) {
    await build({
      entryPoints: [join(sources, entry)],
      outfile: join(sources, entry.replace(/js$/, "cjs")),
      bundle: true,
      format: "cjs",
      platform: "node",
      target: "node20.19",
      packages: "external",
      plugins: [lateFilesStay(sources, dirname(join(sources, entry)))],
      logLevel: "warning",
    });
    typesOf(join(sources, entry.replace(/js$/, "d.ts")), new Set());
  }
}

// What is loaded by a call stays the module that it is: few calls need it, and it may not be bundled.
function lateFilesStay(sources, folder) {
  return {
    name: "late-files-stay",
    setup: (build) =>
      build.onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) => {
        if (kind !== "dynamic-import") return undefined;
        const from = folder.slice(sources.length).replace(/[^/]+/g, "..") || ".";
        const target = join(resolveDir, path).slice(sources.length);
        return { path: `${from.replace(/^\//, "")}${target}`, external: true };
      }),
  };
}

/** Writes a declaration file, and all that it imports, once more as `.d.cts`. */
function typesOf(file, done) {
  if (done.has(file)) return;
  done.add(file);
  const text = readFileSync(file, "utf8").replace(/"(\.[^"]+)\.ts"/g, (_, path) => {
    typesOf(join(dirname(file), `${path}.d.ts`), done);
    return `"${path}.cjs"`;
  });
  writeFileSync(file.replace(/ts$/, "cts"), text);
}
