import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { omitUndefined } from "../../base/omit-undefined.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { ImportResult, ParamsOf } from "../../protocol.ts";
import { ConnectionLost, type DaemonConnection } from "../../rpc/daemon-connection.ts";
import { connectionLost, connectToDaemon } from "../call-daemon.ts";
import { print } from "../output.ts";
import { plain } from "../style.ts";
import { type PassphraseOptions, passphraseOf } from "./passphrase.ts";
import { count, listed, warn, warnOf } from "./words.ts";

interface ImportOptions extends PassphraseOptions {
  replace?: boolean;
  only?: string[];
}

/** Bytes in one request, before base64 makes them a third more. */
const PART_BYTES = 4 * 1024 * 1024;

/** Runs `authd vault import FILE`. */
export async function importFrom(file: string, options: ImportOptions): Promise<void> {
  const connection = await connectToDaemon();
  try {
    const sealed = await read(file, options);
    const label = "The passphrase of the export";
    const passphrase = await passphraseOf(options, { label, isNew: false });
    const { replace, only } = options;
    tell(
      await importSealed(connection, sealed, {
        passphrase,
        ...omitUndefined({ replace, only }),
      }),
    );
  } catch (error) {
    throw error instanceof ConnectionLost ? connectionLost() : error;
  } finally {
    connection.destroy();
  }
}

/** Sends the content of an export, in parts, and imports it. */
export async function importSealed(
  connection: DaemonConnection,
  sealed: Buffer,
  params: ParamsOf<"vault/import">,
): Promise<ImportResult> {
  for (let from = 0; from < sealed.length || from === 0; from += PART_BYTES) {
    const data = sealed.subarray(from, from + PART_BYTES).toString("base64");
    await connection.request("vault/upload", { data } satisfies ParamsOf<"vault/upload">);
  }
  return (await connection.request("vault/import", params)) as ImportResult;
}

function tell({ imported, replaced, rotating, problems }: ImportResult): void {
  const before = replaced.length > 0 ? `, ${replaced.length} of them in the place of another` : "";
  print(`Imported ${count(imported.length, "credential")}${before}.`);
  if (rotating.length > 0) {
    warn(
      `${listed(rotating)}: a refresh token may be spent once only. Where the export was made, authd must ` +
        "not use it any more: stop it there, or remove them. Used on both machines, the session ends on both",
    );
  }
  warnOf(problems);
  const [first] = imported;
  if (first !== undefined) print(`  Next: authd test ${plain(first)}`);
}

async function read(file: string, { passphraseFrom }: ImportOptions): Promise<Buffer> {
  if (file !== "-") {
    try {
      return await readFile(file);
    } catch (error) {
      throw new AuthdError("invalid_params", `The export can't be read: ${messageOf(error)}`);
    }
  }
  if (passphraseFrom !== undefined && passphraseFrom !== "-") return await buffer(process.stdin);
  throw new AuthdError(
    "invalid_params",
    "The export comes through the pipe, so the passphrase can't: give --passphrase-from FILE",
  );
}
