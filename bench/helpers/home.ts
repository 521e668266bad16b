/** Folders of an authd of its own, with credentials whose tokens are cached: nothing is asked for. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { uptime } from "node:os";
import { join } from "node:path";
import { loadConfiguration } from "../../src/config/config.ts";
import type { CredentialSettings } from "../../src/config/settings.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { openVault } from "../../src/vault/index.ts";
import type { Bench } from "./bench.ts";
import { ENV } from "./child.ts";

export interface Home {
  readonly socket: string;
  readonly env: NodeJS.ProcessEnv;
  readonly configDir: string;
  readonly stateDir: string;
}

export function makeHome({ folder }: Bench, name = "home"): Home {
  const [configDir, stateDir] = [join(folder, name, "config"), join(folder, name, "state")];
  const socket = join(folder, name, "authd.sock");
  mkdirSync(join(configDir, "credentials"), { recursive: true, mode: 0o700 });
  const env = {
    ...ENV,
    HOME: folder,
    AUTHD_SOCKET: socket,
    AUTHD_CONFIG_DIR: configDir,
    AUTHD_STATE_DIR: stateDir,
    AUTHD_VAULT_KEY: "file",
    AUTHD_LOG_LEVEL: "error",
  };
  return { socket, env, configDir, stateDir };
}

/** Writes credential files (TOML, by name) and seals a record for each: with a fresh token, unless `changed` has none. */
export async function fillHome(
  home: Home,
  files: ReadonlyMap<string, string>,
  changed: (name: string) => Partial<CredentialRecord> = () => ({}),
): Promise<void> {
  for (const [name, toml] of files) {
    const file = join(home.configDir, "credentials", `${name}.toml`);
    writeFileSync(file, toml, { mode: 0o600 });
  }
  const { credentials, errors } = loadConfiguration({ dir: home.configDir, env: home.env });
  if (errors[0]) throw new Error(`${errors[0].file}: ${errors[0].message}`);
  const vault = await openVault<CredentialRecord>({
    dir: join(home.stateDir, "vault"),
    keySource: "file",
    env: home.env,
    log: { info: () => {}, warn: () => {} },
  });
  const settings = [...credentials.values()].filter(({ name }) => files.has(name));
  for (let at = 0; at < settings.length; at += 64) {
    const some = settings.slice(at, at + 64);
    await Promise.all(
      some.map(async (each) => {
        const record = { ...recordOf(each), ...changed(each.name) };
        await vault.write(each.name, record, { durable: false });
      }),
    );
  }
  await vault.close();
}

/** As after a renewal a moment ago that somebody asked for; lifetimes from one to ten hours. */
function recordOf({ name, binding, secrets }: CredentialSettings): CredentialRecord {
  const now = Date.now();
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return {
    secrets: Object.fromEntries(secrets.map((secret) => [secret.name, opaque(`${name}-`, 40)])),
    binding,
    tokens: [
      {
        accessToken: opaque("bench-", 900),
        tokenType: "Bearer",
        lifetime: (1 + 9 * Math.random()) * 3_600_000,
        assumed: false,
        obtainedAt: { wall: now, boot: uptime() * 1000, bootId },
        jitter: Math.random(),
        askedAt: now,
      },
    ],
    refreshCount: 1,
    lastRefreshAt: now,
  };
}

function opaque(prefix: string, length: number): string {
  return (
    prefix +
    randomBytes(length)
      .toString("base64url")
      .slice(0, length - prefix.length)
  );
}
