/** Runs `authd service install --system`: one daemon for several users, under a user of its own. */
import { chmodSync, chownSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../../base/make-folder.ts";
import { idOf } from "../../config/accounts.ts";
import { AuthdError } from "../../errors.ts";
import { type Installation, systemInstallationOf } from "../../service/index.ts";
import { foreignFolder } from "../../service/system-wide/foreign-folder.ts";
import { CLIENTS, firstConfig, placesOn } from "../../service/system-wide/places.ts";
import { whyNotSystemWide } from "../../service/system-wide/programs.ts";
import { hasSealedKey, SEALED_KEY, sealNewKey } from "../../service/system-wide/sealed-key.ts";
import { readHeader } from "../../vault/header.ts";
import { EXIT } from "../exit-code.ts";
import { type Account, accountOf, assertRoot, assertSystemManager } from "./machine.ts";
import { asker, carryOut, putAll, refuseForeign, type ServiceIo } from "./steps.ts";

export interface SystemOptions {
  /** User who is let in, and whose vault is taken over; by default the caller of sudo. */
  user?: string;
  letIn?: boolean;
  takeOver?: boolean;
}

/** Installs the service. Checks everything that could prevent it before it changes anything. */
export async function installSystem(options: SystemOptions, io: ServiceIo): Promise<number> {
  assertRoot("install");
  await assertSystemManager(io);
  refuseForeignFolder(io.platform);
  const known = knownKey(io.platform);
  const { manager, launch, found } = await installationWith(known ?? "file", io);
  for (const file of found) refuseForeign(file, manager);
  const why = whyNotSystemWide(launch.node, launch.main);
  if (why) throw new AuthdError("request_failed", `${why}; nothing was changed.`);
  const account = accountOf(options.user, io);
  if (!account && (options.letIn || options.takeOver)) throw nobodyNamed();

  const installation = await installationWith(known ?? newKey(io), io);
  putAll(installation, io);
  if (!(await start(installation, io))) return EXIT.failed;
  io.say(`authd is running for this machine: AUTHD_SOCKET=${placesOn(io.platform).socket}`);
  for (const hint of await manager.hints(asker(io), io.env)) io.say(hint);
  return account ? await invite(account, options, installation, io) : EXIT.done;
}

/** Throws AuthdError if another program of this name has its files where ours would be. */
export function refuseForeignFolder(platform: NodeJS.Platform): void {
  const folder = foreignFolder(placesOn(platform));
  if (folder === undefined) return;
  throw new AuthdError(
    "request_failed",
    `${folder} holds files of another program that is called authd, as Ubuntu's is; nothing was changed. The two can't share one machine's folders.`,
  );
}

async function installationWith(key: string, io: ServiceIo): Promise<Installation> {
  const installation = await systemInstallationOf(io.platform, key, io.execPath);
  if (!installation) throw new Error(`not checked: ${io.platform}`);
  return installation;
}

/**
 * Returns the key source of an existing vault, or the one that an earlier installation chose. Throws
 * AuthdError if that key is gone: another does not open the vault.
 */
export function knownKey(platform: NodeJS.Platform): string | undefined {
  const vault = join(placesOn(platform).stateDir, "vault");
  const source = readHeader(vault)?.keySource;
  if (source === "systemd-credential" && !hasSealedKey()) {
    throw new AuthdError(
      "request_failed",
      `The vault in ${vault} is sealed with a key that should be in ${SEALED_KEY}, and is not; nothing was changed. ` +
        "Put that file back from a backup. Without it the vault stays closed: authd service uninstall --system --purge deletes it.",
    );
  }
  if (source !== undefined || platform === "darwin") return source ?? "file";
  return hasSealedKey() ? "systemd-credential" : undefined;
}

function newKey(io: ServiceIo): string {
  const why = sealNewKey(io.env);
  if (why === undefined) {
    io.say(`Wrote ${SEALED_KEY}: the vault's key, sealed for this machine`);
    return "systemd-credential";
  }
  io.complain(
    `The vault's key can't be sealed for this machine (${why}): it will be a file beside the vault, ` +
      "readable for the daemon and root. Whoever has the disk, or a backup of both, has the secrets.",
  );
  return "file";
}

async function start({ manager, wanted }: Installation, io: ServiceIo): Promise<boolean> {
  const { configDir, folders, user } = placesOn(io.platform);
  if (io.platform === "darwin" && !accountsAreThere(user, io)) return false;
  for (const { path, mode, isDaemons } of folders) {
    makeFolder(path);
    chmodSync(path, mode);
    if (isDaemons) chownSync(path, idOf("user", user), idOf("group", user));
  }
  const config = join(configDir, "config.toml");
  if (existsSync(config)) io.say(`Left ${config} as it is`);
  else {
    writeFileSync(config, firstConfig(io.platform), { flag: "wx" });
    chmodSync(config, 0o644);
    io.say(`Wrote ${config}`);
  }
  return await carryOut(manager.start(wanted.map(({ path }) => path)), manager, io);
}

/** Checks the accounts on macOS, where a package can't create them. */
function accountsAreThere(user: string, io: ServiceIo): boolean {
  try {
    idOf("user", user);
    idOf("group", user);
    idOf("group", CLIENTS);
    return true;
  } catch {
    io.complain(
      `Make the user ${user} with its group, and the group ${CLIENTS} (docs/system-wide.md says how), then type this again.`,
    );
    return false;
  }
}

/** Lets a user in, and takes over that user's vault, each only if a person agrees. */
async function invite(
  account: Account,
  options: SystemOptions,
  installation: Installation,
  io: ServiceIo,
): Promise<number> {
  const { letIn, takeOver } = await import("./welcome.ts");
  const wantsIn = options.letIn || options.takeOver;
  if (!(await letIn(account, wantsIn, installation, io))) return EXIT.failed;
  return await takeOver(account, options.takeOver, installation, io);
}

function nobodyNamed(): AuthdError {
  return new AuthdError(
    "invalid_params",
    "Who is to be let in? Call it with sudo as that user, or give --user NAME; nothing was changed.",
  );
}
