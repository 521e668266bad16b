/** A Python for Windows, of Maven Central. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { absent } from "../absent.ts";
import { made } from "./distribution.ts";

const VERSION = "3.12.1-1.5.10";
const UNPACK = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack";
const FOLDER = "org/bytedeco/cpython/windows-x86_64";
/** Most of it, which no test needs. */
const UNUSED = ["include", "lib/test", "lib/idlelib", "lib/tkinter", "lib/site-packages", "share"];

const execute = promisify(execFile);

/** Returns why it can't be had; undefined if it can. */
export function lackingForPython(): string | undefined {
  const lacking = absent("java", "mvn");
  return lacking.length > 0 ? `not installed: ${lacking.join(", ")}` : undefined;
}

/** Returns the path of python.exe. Maven checks what it downloads against the checksum beside it. */
export async function windowsPython(): Promise<string> {
  const folder = await made(`windows-python-${VERSION}`, async (work) => {
    const artifact = `org.bytedeco:cpython:${VERSION}:jar:windows-x86_64`;
    const excludes = UNUSED.map((name) => `${FOLDER}/${name}/**`).join(",");
    const given = [
      `-Dartifact=${artifact}`,
      `-DoutputDirectory=${work}`,
      `-Dmdep.unpack.excludes=${excludes}`,
    ];
    await execute("mvn", ["-B", "-q", "--strict-checksums", UNPACK, ...given], { cwd: work });
  });
  return join(folder, FOLDER, "python.exe");
}
