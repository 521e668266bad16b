/** Moves a vault from a user's own daemon to the system-wide one, all of it or nothing. */
import { randomBytes } from "node:crypto";
import { omitUndefined } from "../../base/omit-undefined.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { CredentialInfo, ImportResult, Results } from "../../protocol.ts";
import type { DaemonConnection } from "../../rpc/daemon-connection.ts";
import { EXIT } from "../exit-code.ts";
import { importSealed } from "../vault/import.ts";
import type { AsUser } from "./as-user.ts";
import type { Account } from "./machine.ts";
import type { ServiceIo } from "./steps.ts";
import { endDaemon, retire, startAgain } from "./users-daemon.ts";

export interface Move {
  imported: string[];
  /** Credentials with rules of their own, which may let nobody in here. */
  closed: string[];
  problems: string[];
  /** What became of the service that ran the user's daemon; absent: there was none. */
  service?: { said: string } | { problem: string };
}

/** Limit of exports: a refresh between the export and the end of the daemon makes the export stale. */
const MAX_EXPORTS = 3;

/** Moves the vault. `connection` is root's to the system-wide daemon. */
export async function moveVault(
  user: AsUser,
  account: Account,
  connection: DaemonConnection,
  io: ServiceIo,
): Promise<Move> {
  await assertRoom(user, connection);
  if ((await listOf(user)).some(({ policy }) => policy !== undefined)) {
    io.say(
      `${account.name}'s own authd may ask whether this export is wanted: answer there (authd approve).`,
    );
  }
  const passphrase = randomBytes(32).toString("base64url");
  const sealed = await exported(user, passphrase);
  const ended = await endDaemon(user);
  let result: ImportResult;
  try {
    result = await importSealed(connection, sealed, { passphrase });
  } catch (error) {
    io.complain(
      (await startAgain(user, ended))
        ? `Nothing was taken over; ${account.name}'s own authd runs again.`
        : `Nothing was taken over; ${account.name}'s own authd was ended, and has all it had: start it again.`,
    );
    throw error;
  }
  const service = await retire(user, ended, account.name);
  const opened = await openTo(account, result.imported, connection);
  const problems = [...result.problems.map(({ message }) => message), ...opened.problems];
  return { imported: result.imported, ...opened, problems, ...omitUndefined({ service }) };
}

/** Throws AuthdError, before anything is ended, if the import would fail. */
async function assertRoom(user: AsUser, connection: DaemonConnection): Promise<void> {
  const { lock } = (await connection.request("status", {})) as Results["status"];
  if (lock?.locked) throw new AuthdError("vault_locked", "The system-wide vault is locked.");
  const { credentials } = (await connection.request(
    "credentials/list",
    {},
  )) as Results["credentials/list"];
  const here = new Set(credentials.map(({ name }) => name));
  const both = (await listOf(user)).map(({ name }) => name).filter((name) => here.has(name));
  if (both.length === 0) return;
  throw new AuthdError(
    "invalid_params",
    `There is already ${both.join(", ")} here; nothing was taken over. Remove what is too much on either side`,
  );
}

async function exported(user: AsUser, passphrase: string): Promise<Buffer> {
  for (let tries = 1; ; tries++) {
    const before = await listOf(user);
    const { code, stdout, stderr } = await user.authd(
      ["vault", "export", "-", "--passphrase-from", "-"],
      passphrase,
    );
    if (code !== EXIT.done) {
      throw new AuthdError("request_failed", `Nothing was taken over: ${stderr.trim()}`);
    }
    const isStale = refreshesIn(before) !== refreshesIn(await listOf(user));
    if (!isStale || tries === MAX_EXPORTS) return stdout;
  }
}

const refreshesIn = (infos: readonly CredentialInfo[]) =>
  infos.reduce((sum, { refreshCount }) => sum + refreshCount, 0);

async function listOf(user: AsUser): Promise<readonly CredentialInfo[]> {
  const { code, stdout, stderr } = await user.authd(["list", "--json"]);
  if (code === EXIT.done)
    return (JSON.parse(stdout.toString()) as Results["credentials/list"]).credentials;
  throw new AuthdError("request_failed", `Nothing was taken over: ${stderr.trim()}`);
}

/** Allows all programs of the user to use credentials without rules, as their own daemon did. */
async function openTo(
  { uid }: Account,
  names: readonly string[],
  connection: DaemonConnection,
): Promise<Pick<Move, "closed" | "problems">> {
  const closed: string[] = [];
  const problems: string[] = [];
  for (const credential of names) {
    const info = (await connection.request("credentials/show", { credential })) as CredentialInfo;
    if (info.policy?.allow?.length) closed.push(credential);
    else {
      const settings = { allow: [{ name: "taken over", user: uid }] };
      // The rule stands even if the first try with it fails.
      await connection
        .request("credentials/set", { credential, settings })
        .catch((error) => problems.push(`${credential}: ${messageOf(error)}`));
    }
  }
  return { closed, problems };
}
