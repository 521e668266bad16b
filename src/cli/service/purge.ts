/** `authd service uninstall --purge` of a person's own authd: removes settings, vault, key and records as well. */
import { readdirSync, rmdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { configDir, stateDir } from "../../config/config.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import { defaultSocketPath } from "../../rpc/socket.ts";
import type { Installation } from "../../service/index.ts";
import { readHeader } from "../../vault/header.ts";
import { keyProviders } from "../../vault/keys/index.ts";
import { EXIT } from "../exit-code.ts";
import { confirmed, interactive } from "../prompts.ts";
import type { RemoveOptions } from "./remove-system.ts";
import { removeAll, type ServiceIo } from "./steps.ts";

/** Names of what authd makes in its folders; anything else stays, and its folder with it. */
const OURS = {
  config: /^(config\.toml|credentials)$/,
  state:
    /^(vault|audit\.log.*|told\.json|hook\.json|question-id|store-(shared|left\.json|timeline\.json)|authd\.sock)$/,
};

/** Removes the service, and then everything that authd keeps. Nothing is removed without a yes. */
export async function purge(
  installation: Installation,
  { yes }: RemoveOptions,
  io: ServiceIo,
): Promise<number> {
  const folders = { config: configDir(io.env, io.platform), state: stateDir(io.env, io.platform) };
  const isInstalled = installation.found.some(({ ownership }) => ownership !== "absent");
  if (!isInstalled) await refuseRunning(io, "nothing was changed");
  if (!yes) await askToPurge(folders);
  const code = await removeAll(installation, io);
  if (code !== EXIT.done) return code;
  await refuseRunning(io, "settings and vault are left");
  await forgetKey(join(folders.state, "vault"), io);
  for (const kind of ["config", "state"] as const) removeOurs(folders[kind], OURS[kind], io);
  return EXIT.done;
}

async function askToPurge({ config, state }: { config: string; state: string }): Promise<void> {
  const what = `${config} and ${state}: all credentials, with the vault, its key and the audit log`;
  if (!interactive()) {
    const text = `--purge deletes ${what}, for good: give --yes as well; nothing was changed`;
    throw new AuthdError("invalid_params", text);
  }
  if (await confirmed(`Delete ${what}, for good?`)) return;
  throw new AuthdError("cancelled", "stopped; nothing was changed");
}

/** A daemon that runs would write its files anew. */
async function refuseRunning({ env }: ServiceIo, left: string): Promise<void> {
  const path = defaultSocketPath(env);
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
  if (!answers) return;
  const remedy = "End it with authd stop, then run this again.";
  throw new AuthdError("request_failed", `A daemon answers on ${path}; ${left}. ${remedy}`);
}

/** Takes the vault's key out of the keychain; a key in a file goes with the vault. */
async function forgetKey(dir: string, { env, say, complain }: ServiceIo): Promise<void> {
  try {
    const header = readHeader(dir);
    if (header?.keySource !== "keychain") return;
    const askPassphrase = async () => undefined;
    await keyProviders.keychain.forget?.({ dir, keyId: header.keyId, env, askPassphrase });
    say("Removed the vault's key from the keychain");
  } catch (error) {
    complain(
      `The vault's key may still be in the keychain, as an entry of authd: ${messageOf(error)}`,
    );
  }
}

function removeOurs(folder: string, ours: RegExp, { say, complain }: ServiceIo): void {
  const names = namesIn(folder);
  if (!names) return;
  for (const name of names.filter((name) => ours.test(name))) {
    rmSync(join(folder, name), { recursive: true, force: true });
    say(`Removed ${join(folder, name)}`);
  }
  const others = names.filter((name) => !ours.test(name));
  if (others.length > 0) complain(`Left ${folder}: it also holds ${others.join(", ")}`);
  else if (namesIn(folder)?.length === 0) rmdirSync(folder);
}

/** Undefined: there is no such folder. */
function namesIn(folder: string): string[] | undefined {
  try {
    return readdirSync(folder);
  } catch {
    return undefined;
  }
}
