import type { CredentialInfo, Notifications, Results } from "../protocol.ts";
import { connectionLost, connectToDaemon } from "./call-daemon.ts";
import { STATES } from "./credentials.ts";
import { print } from "./output.ts";
import { plain } from "./style.ts";
import { expiry, moment } from "./times.ts";

/** Text for each notification. */
const WORDS: { [N in keyof Notifications]?: (params: Notifications[N]) => string } = {
  "token/refreshed": ({ credential, expiresAt }) =>
    `${plain(credential)} has a new token${until(expiresAt)}`,
  "credential/stateChanged": ({ credential, state, reason }) =>
    `${plain(credential)} is ${STATES[state].words}${reason ? ` (${reason})` : ""}`,
};

/**
 * `status --watch` in a pipe: every credential once, then a line a change. Ends when the daemon
 * does, with an error.
 */
export async function follow(json: boolean): Promise<void> {
  const connection = await connectToDaemon();
  const ended = new Promise<void>((resolve) => {
    connection.onClose = resolve;
  });
  connection.hold(true);
  const list = await connection.request("credentials/list", {});
  const { credentials } = list as Results["credentials/list"];
  if (json) print(JSON.stringify({ credentials }));
  else print(...credentials.map((info) => `${moment(Date.now())} ${now(info)}`));
  connection.onNotification = (name, params) => {
    if (json) print(JSON.stringify({ method: name, params }));
    else print(`${moment(Date.now())} ${WORDS[name as keyof Notifications]?.(params as never)}`);
  };
  await connection.request("subscribe", {});
  await ended;
  throw connectionLost();
}

function now(info: CredentialInfo): string {
  return `${plain(info.name)} is ${STATES[info.state].words}${until(info.expiresAt)}`;
}

function until(expiresAt: number | null): string {
  return expiresAt === null ? "" : `, ${expiry(expiresAt, Date.now())}`;
}
