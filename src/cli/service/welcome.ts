/** Lets a user in to the system-wide daemon, and takes over that user's vault, if a person agrees. */
import { AuthdError } from "../../errors.ts";
import { DaemonConnection } from "../../rpc/daemon-connection.ts";
import type { Installation } from "../../service/index.ts";
import { CLIENTS, placesOn } from "../../service/system-wide/places.ts";
import { runTool } from "../../service/tool.ts";
import { EXIT } from "../exit-code.ts";
import { confirmed, interactive } from "../prompts.ts";
import { AsUser } from "./as-user.ts";
import type { Account } from "./machine.ts";
import { carryOut, type ServiceIo } from "./steps.ts";
import { type Move, moveVault } from "./take-over.ts";

/** Lets a user in. `wanted` undefined asks on a terminal. Returns false if it could not be done. */
export async function letIn(
  { name }: Account,
  wanted: boolean | undefined,
  { manager }: Installation,
  io: ServiceIo,
): Promise<boolean> {
  const { stdout } = await runTool(io.env, ["id", "-nG", "--", name]);
  if (stdout.trim().split(/\s+/).includes(CLIENTS)) return true;
  const question = `Let ${name} use it, by the group ${CLIENTS}?`;
  if (!(wanted ?? (interactive() && (await confirmed(question))))) {
    io.say(`To let somebody in: authd service install --system --let-in --user NAME`);
    return true;
  }
  const argv =
    io.platform === "darwin"
      ? (["dseditgroup", "-o", "edit", "-a", name, "-t", "user", CLIENTS] as const)
      : (["usermod", "--append", "--groups", CLIENTS, name] as const);
  if (!(await carryOut([{ argv }], manager, io))) return false;
  io.say(`${name} is in the group ${CLIENTS} now, from the next login on (or: newgrp ${CLIENTS}).`);
  io.say(`  Its programs find authd by AUTHD_SOCKET=${placesOn(io.platform).socket}`);
  io.say(
    "  For questions and notices on the desktop, as that user: authd service install --approve",
  );
  return true;
}

/** Moves the credentials of a user's own daemon here, and ends that daemon. Returns the exit code. */
export async function takeOver(
  account: Account,
  wanted: boolean | undefined,
  { launch }: Installation,
  io: ServiceIo,
): Promise<number> {
  const user = new AsUser(account, launch, io);
  const count = await credentialsOf(user);
  if (count === undefined || count === 0) {
    if (wanted)
      throw new AuthdError(
        "request_failed",
        `There is nothing to take over: ${count === 0 ? "the authd" : "no authd"} of ${account.name} ${count === 0 ? "has no credentials" : "answers; start it, or call this with its AUTHD_SOCKET (sudo --preserve-env=AUTHD_SOCKET)"}.`,
      );
    return EXIT.done;
  }
  const what = count === 1 ? "credential" : `${count} credentials`;
  const question = `Take over the ${what} of ${account.name}'s own authd, and end that one?`;
  if (!(wanted ?? (interactive() && (await confirmed(question))))) {
    io.say(
      `${account.name}'s own authd keeps its ${what}. To move them here: authd service install --system --take-over`,
    );
    return EXIT.done;
  }
  const connection = await DaemonConnection.open(placesOn(io.platform).socket);
  try {
    tell(await moveVault(user, account, connection, io), account, io);
    return EXIT.done;
  } finally {
    connection.destroy();
  }
}

async function credentialsOf(user: AsUser): Promise<number | undefined> {
  const { code, stdout } = await user.authd(["list", "--json"]);
  if (code !== EXIT.done) return undefined;
  const { credentials } = JSON.parse(stdout.toString()) as { credentials?: unknown };
  return Array.isArray(credentials) ? credentials.length : undefined;
}

function tell(
  { imported, closed, problems, service }: Move,
  { name }: Account,
  io: ServiceIo,
): void {
  io.say(`Took over: ${imported.join(", ")}`);
  io.say(`  ${name} may use them as before, from programs of any kind: see their [[allow]] rules.`);
  for (const one of closed) {
    io.complain(
      `${one}: its rules were left as they are. On a daemon of another user a rule on executable or sha256 lets nobody in, ` +
        "and a rule that names no user, group or unit of the system neither: edit its file, then authd trust.",
    );
  }
  for (const problem of problems) io.complain(problem);
  if (service && "said" in service) io.say(service.said);
  else if (service) io.complain(service.problem);
  io.say(
    `${name}'s own authd was ended. Its sealed vault was left as it was: delete it once all works, or programs of ${name} can still open it.`,
  );
}
