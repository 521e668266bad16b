/** The Keycloak of Maven Central, downloaded and built once for this user. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const VERSION = "26.7.3";
const UNPACK = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack";
/** Options that are compiled in; others than these need another folder (`BUILD`). */
const BUILD = 1;
const BUILD_OPTIONS = [
  ...["--db=dev-mem", "--https-client-auth=request"],
  "--features-disabled=account,admin,impersonation,kerberos,ciba",
];

const execute = promisify(execFile);

/** Programs that it needs. */
export const KEYCLOAK_PROGRAMS = ["java", "mvn"] as const;

/**
 * Returns the folder of a Keycloak that is ready to start. The first call of a user takes most of a minute;
 * Maven checks what it downloads against the checksum that is published beside it.
 */
export async function keycloakFolder(): Promise<string> {
  const cache = join(homedir(), ".cache", "authd-test");
  const folder = join(cache, `keycloak-${VERSION}-${BUILD}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "keycloak-"));
  try {
    const artifact = `org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`;
    const given = [`-Dartifact=${artifact}`, `-DoutputDirectory=${work}`];
    // It notes in the folder that it runs in what it has unpacked.
    const options = { cwd: work };
    await execute("mvn", ["-B", "-q", "--strict-checksums", UNPACK, ...given], options);
    const unpacked = join(work, `keycloak-${VERSION}`);
    await execute(join(unpacked, "bin", "kc.sh"), ["build", ...BUILD_OPTIONS]);
    rename(unpacked, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

/** Leaves what another process has put there meanwhile. */
function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}
