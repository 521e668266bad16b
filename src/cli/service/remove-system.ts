/** Runs `authd service uninstall --system`: removes what install wrote; with `purge` also settings, vault and key. */
import { readdirSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { AuthdError } from "../../errors.ts";
import { installedKey, systemInstallationOf } from "../../service/index.ts";
import { CLIENTS, placesOn } from "../../service/system-wide/places.ts";
import { SEALED_KEY } from "../../service/system-wide/sealed-key.ts";
import { EXIT } from "../exit-code.ts";
import { confirmed, interactive } from "../prompts.ts";
import { assertRoot } from "./machine.ts";
import { carryOut, removeAll, type ServiceIo } from "./steps.ts";
import { refuseForeignFolder } from "./system.ts";

export interface RemoveOptions {
  /** Also deletes settings, vault, key and accounts. */
  purge?: boolean;
  /** Skips the question. */
  yes?: boolean;
}

export async function uninstallSystem(options: RemoveOptions, io: ServiceIo): Promise<number> {
  assertRoot("uninstall");
  const installation = await systemInstallationOf(
    io.platform,
    installedKey(io.platform) ?? "file",
    io.execPath,
  );
  if (!installation) throw new Error(`not checked: ${io.platform}`);
  if (options.purge) refuseForeignFolder(io.platform);
  if (options.purge && !options.yes) await askToPurge(io);
  const { configDir, stateDir, socket } = placesOn(io.platform);
  const code = await removeAll(installation, io, socket);
  removeIfEmpty(dirname(socket));
  if (code !== EXIT.done) return code;
  if (!options.purge) {
    io.say(
      `Left ${configDir}, ${stateDir}, the vault's key and the accounts they belong to: another installation finds ` +
        "all as it was. To delete them too: authd service uninstall --system --purge",
    );
    return code;
  }
  for (const path of [configDir, stateDir, ...(io.platform === "linux" ? [SEALED_KEY] : [])]) {
    rmSync(path, { recursive: true, force: true });
    io.say(`Removed ${path}`);
  }
  return (await removeAccounts(io)) ? EXIT.done : EXIT.failed;
}

async function askToPurge(io: ServiceIo): Promise<void> {
  const { configDir, stateDir } = placesOn(io.platform);
  const count = sealedIn(join(stateDir, "vault"));
  const what = `${configDir} and ${stateDir}, with ${count} sealed files of the vault and their key`;
  if (!interactive()) {
    const text = `--purge deletes ${what}, for good: give --yes as well; nothing was changed`;
    throw new AuthdError("invalid_params", text);
  }
  if (await confirmed(`Delete ${what}, for good?`)) return;
  throw new AuthdError("cancelled", "stopped; nothing was changed");
}

function sealedIn(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true }).length;
  } catch {
    return 0;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {}
}

/** Removes the daemon's accounts; on macOS they were made by hand and stay. */
async function removeAccounts(io: ServiceIo): Promise<boolean> {
  if (io.platform !== "linux") return true;
  const { user } = placesOn(io.platform);
  const steps = [
    // The user's group goes with it.
    { argv: ["userdel", user], optional: true },
    { argv: ["groupdel", CLIENTS], optional: true },
  ] as const;
  return await carryOut(steps, { name: "The accounts" }, io);
}
