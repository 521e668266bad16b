import { readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import type { Scope } from "./scope.ts";
import { ROOT } from "./sources.ts";

/** The Java client's folder. */
export const JAVA_CLIENT = join(ROOT, "clients/java");
/** Programs of a JDK. */
export const JDK = ["java", "javac", "javadoc"] as const;
/** Little memory, and no time lost on optimizing what runs for seconds. */
export const JAVA_OPTIONS = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] as const;

/** Compiles these folders of the Java client into a folder, which it returns, without the module. */
export async function compileJava(t: Scope, ...folders: readonly string[]): Promise<string> {
  const classes = temporaryFolder(t);
  const { code, stdout, stderr } = await run(t, "javac", javacArgs(classes, ...folders));
  if (code !== 0) throw new Error(stdout + stderr);
  return classes;
}

/** Arguments of javac that do that. */
export function javacArgs(classes: string, ...folders: readonly string[]): string[] {
  const sources = folders.flatMap((folder) => javaFiles(join(JAVA_CLIENT, folder)));
  const options = ["-Xlint:all", "-Werror", "--release", "17", "-encoding", "UTF-8"];
  return [...options, "-d", classes, ...sources];
}

function javaFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".java") && !name.endsWith("module-info.java"))
    .map((name) => join(folder, name));
}
