import { join } from "node:path";
import { Admin } from "../../src/admin/admin.ts";
import type { Consent } from "../../src/admin/consent.ts";
import { loadConfiguration } from "../../src/config/config.ts";
import type { startTestRegistry } from "./test-registry.ts";

/** A person who agrees to everything. */
export const agreed: Consent = async () => {};

/** What changes the credentials of an engine; its configuration folder is the engine's own. */
export function adminOf(engine: Awaited<ReturnType<typeof startTestRegistry>>) {
  const { registry, vault, http, log } = engine;
  const env = { AUTHD_CONFIG_DIR: join(engine.dir, "config") };
  const admin = new Admin({
    ...{ env, registry, vault, http, log },
    configuration: {
      daemon: { vaultKey: "file", logLevel: "info", maxConnections: 9 },
      defaults: {},
      access: "{}",
    },
    readConfiguration: async () => loadConfiguration({ dir: env.AUTHD_CONFIG_DIR, env }),
    onEvent: () => {},
    storeInUse: () => undefined,
    assertOpen: () => {},
    onClosed: () => {},
    now: engine.clock.wall,
  });
  engine.candidates.resolve = (name, text) => admin.reloader.settingsFrom(name, text);
  engine.candidates.worked = (name) => {
    const failed = (error: Error) => log.error({ credential: name }, error.message);
    setImmediate(() => void admin.trials.promote(name).catch(failed));
  };
  return { admin, env };
}

/** Adds a credential of `client_credentials` with this token endpoint. */
export async function addClient(
  admin: Admin,
  { name, url, settings = {} }: { name: string; url: string; settings?: Record<string, string> },
) {
  return await admin.add(
    {
      name,
      grant: "client_credentials",
      settings: { token_url: url, client_id: "app", ...settings },
      secrets: { client_secret: "not-to-be-told" },
    },
    new AbortController().signal,
    agreed,
  );
}
