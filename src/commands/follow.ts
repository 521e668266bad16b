import type { CredentialInfo, Notifications, Results } from "../protocol.ts";
import { dial, hungUp } from "./ask.ts";
import { STATES } from "./credentials.ts";
import { print } from "./output.ts";
import { plain } from "./style.ts";
import { expiry, moment } from "./times.ts";

/** How a notification is told in words. */
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
  const link = await dial();
  const ended = new Promise<void>((resolve) => {
    link.onClose = resolve;
  });
  link.hold(true);
  const list = await link.request("credentials/list", {});
  const { credentials } = list as Results["credentials/list"];
  if (json) print(JSON.stringify({ credentials }));
  else print(...credentials.map((info) => `${moment(Date.now())} ${now(info)}`));
  link.onNotification = (name, params) => {
    if (json) print(JSON.stringify({ method: name, params }));
    else print(`${moment(Date.now())} ${WORDS[name as keyof Notifications]?.(params as never)}`);
  };
  await link.request("subscribe", {});
  await ended;
  throw hungUp();
}

function now(info: CredentialInfo): string {
  return `${plain(info.name)} is ${STATES[info.state].words}${until(info.expiresAt)}`;
}

function until(expiresAt: number | null): string {
  return expiresAt === null ? "" : `, ${expiry(expiresAt, Date.now())}`;
}
