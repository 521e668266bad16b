/** A real Keycloak, over HTTP and HTTPS on free ports of loopback, with nothing on disk when it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeFolder } from "../../../src/base/remove-folder.ts";
import { type Certificate, createAuthority } from "../certificates.ts";
import { until } from "../until.ts";
import { keycloakFolder } from "./distribution.ts";

/** What tests need of a running one. */
export interface KeycloakAddress {
  http: string;
  https: string;
  /** PEM, for the HTTPS address. */
  ca: string;
  /** A client's, of the only authority that it accepts: its subject is `CN=reports`. */
  clientCertificate: Certificate;
  admin: { username: string; password: string };
}

interface Keycloak {
  address: KeycloakAddress;
  /** Kills it, and removes its folder. Synchronous, so that a process can do it while it ends. */
  stop(): void;
}

const START_LIMIT_MS = 180_000;
/** Little memory, and no time lost on optimizing what runs for a minute. */
const JAVA_OPTIONS = [
  ...["-Xms64m", "-Xmx384m", "-XX:MaxMetaspaceSize=256m", "-XX:+UseSerialGC"],
  ...["-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-Dfile.encoding=UTF-8"],
];

/** Starts one that runs until it is stopped; rejects with its output if it ends before it is ready. */
export async function launchKeycloak(): Promise<Keycloak> {
  const distribution = await keycloakFolder();
  const folder = mkdtempSync(join(tmpdir(), "authd-keycloak-"));
  const log = join(folder, "log");
  const admin = { username: "admin", password: randomBytes(16).toString("hex") };
  const { ca, clientCertificate } = writeCertificates(folder);
  const child = run(distribution, folder, log, admin);
  const stop = () => {
    kill(child);
    removeFolder(folder);
  };
  try {
    const { http, https } = await ready(child, log);
    return { address: { http, https, ca, clientCertificate, admin }, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

function writeCertificates(folder: string): Pick<KeycloakAddress, "ca" | "clientCertificate"> {
  const authority = createAuthority();
  const { cert, key } = authority.issue("localhost", "127.0.0.1");
  const files = { "ca.pem": authority.ca, "cert.pem": cert, "key.pem": key };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return { ca: authority.ca, clientCertificate: authority.issue("reports") };
}

function run(
  distribution: string,
  folder: string,
  log: string,
  admin: KeycloakAddress["admin"],
): ChildProcess {
  const output = openSync(log, "w");
  // Data of its own: the distribution is shared.
  for (const name of ["conf", "lib", "providers", "themes"]) {
    symlinkSync(join(distribution, name), join(folder, name));
  }
  const child = spawn(
    join(distribution, "bin", "kc.sh"),
    [
      ...["start", "--optimized", `-Dkc.home.dir=${folder}`],
      ...["--http-enabled=true", "--http-host=127.0.0.1", "--http-port=0", "--https-port=0"],
      ...["--hostname-strict=false", `--truststore-paths=${join(folder, "ca.pem")}`],
      `--https-certificate-file=${join(folder, "cert.pem")}`,
      `--https-certificate-key-file=${join(folder, "key.pem")}`,
    ],
    {
      // A group of its own: kc.sh and the Java that it starts.
      detached: true,
      stdio: ["ignore", output, output],
      env: {
        ...process.env,
        JAVA_OPTS: JAVA_OPTIONS.join(" "),
        KC_BOOTSTRAP_ADMIN_USERNAME: admin.username,
        KC_BOOTSTRAP_ADMIN_PASSWORD: admin.password,
      },
    },
  );
  closeSync(output);
  // Its process may end without waiting for it.
  child.unref();
  return child;
}

async function ready(child: ChildProcess, log: string): Promise<{ http: string; https: string }> {
  const ended = once(child, "close").then(() => {
    throw new Error(`Keycloak ended: ${readFileSync(log, "utf8")}`);
  });
  const addresses = () => {
    const line = /Listening on: .*/.exec(readFileSync(log, "utf8"))?.[0] ?? "";
    const [http] = /http:\/\/[\d.]+:\d+/.exec(line) ?? [];
    const [https] = /https:\/\/[\d.]+:\d+/.exec(line) ?? [];
    return http !== undefined && https !== undefined ? { http, https } : undefined;
  };
  const limits = { message: "Keycloak listens", limitMs: START_LIMIT_MS };
  await Promise.race([until(() => addresses() !== undefined, limits), ended]);
  ended.catch(() => {});
  return addresses()!;
}

function kill({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
