import { existsSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { createFile, replaceFile } from "../../base/atomic-write.ts";
import { AuthdError, errorCode, messageOf } from "../../errors.ts";
import type { ExportResult, Notifications } from "../../protocol.ts";
import { ConnectionLost } from "../../rpc/daemon-connection.ts";
import { connectionLost, connectToDaemon } from "../call-daemon.ts";
import { EXIT } from "../exit-code.ts";
import { type PassphraseOptions, passphraseOf } from "./passphrase.ts";
import { count, listed, warn, warnOf } from "./words.ts";

interface ExportOptions extends PassphraseOptions {
  replace?: boolean;
}

/** Runs `authd vault export FILE`. The exit code is 1 if something is missing in the export. */
export async function exportTo(file: string, options: ExportOptions): Promise<void> {
  // Connects first, so that nobody types a passphrase in vain.
  const connection = await connectToDaemon();
  try {
    if (file === "-") refuseTerminal();
    else refuseFile(file, options.replace === true);
    const label = "A passphrase for the export";
    const passphrase = await passphraseOf(options, { label, isNew: true });
    const chunks: Buffer[] = [];
    connection.onNotification = (name, params) => {
      if (name !== "vault/chunk") return;
      chunks.push(Buffer.from((params as Notifications["vault/chunk"]).data, "base64"));
    };
    const result = (await connection.request("vault/export", { passphrase })) as ExportResult;
    const sealed = Buffer.concat(chunks);
    if (sealed.length !== result.bytes) throw connectionLost();
    if (file === "-") process.stdout.write(sealed);
    else await put(file, sealed, options.replace === true);
    tell(file, result);
  } catch (error) {
    throw error instanceof ConnectionLost ? connectionLost() : error;
  } finally {
    connection.destroy();
  }
}

function tell(file: string, { credentials, rotating, problems }: ExportResult): void {
  const where = file === "-" ? "" : ` to ${file}`;
  process.stderr.write(`Exported ${count(credentials.length, "credential")}${where}.\n`);
  if (rotating.length > 0) {
    warn(
      `${listed(rotating)}: a refresh token may be spent once only, and authd goes on spending it here. ` +
        "If the export is for another machine, stop authd on this one now: used on both, the session ends on both",
    );
  }
  warnOf(problems);
  if (problems.length > 0) process.exitCode = EXIT.failed;
}

function refuseTerminal(): void {
  if (!process.stdout.isTTY) return;
  throw new AuthdError(
    "invalid_params",
    "An export is not for a terminal: name a file, or use a pipe",
  );
}

function refuseFile(file: string, replace: boolean): void {
  let folder: Stats | undefined;
  try {
    folder = statSync(dirname(resolve(file)), { throwIfNoEntry: false });
  } catch {}
  if (!folder?.isDirectory()) {
    throw new AuthdError("invalid_params", `There is no folder ${dirname(resolve(file))}`);
  }
  if (!replace && existsSync(file)) throw alreadyThere(file);
}

/** Writes the export, whole or not at all, readable for nobody else, and on the disk when this resolves. */
async function put(file: string, sealed: Buffer, replace: boolean): Promise<void> {
  const path = resolve(file);
  try {
    if (replace) await replaceFile(path, sealed, { sync: "folder" });
    else await createFile(path, sealed, { renameWithoutLinks: true });
  } catch (error) {
    if (errorCode(error) === "EEXIST") throw alreadyThere(file);
    throw new AuthdError("request_failed", `${file} can't be written: ${messageOf(error)}`);
  }
}

function alreadyThere(file: string): AuthdError {
  return new AuthdError("invalid_params", `${file} is there already; give --replace to replace it`);
}
