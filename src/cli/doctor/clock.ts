import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { duration, moment } from "../times.ts";
import { type Check, ok, problem, warning } from "./finding.ts";

/** A clock that was never set stands long before this. */
const EARLIEST = Date.UTC(2025, 0, 1);
const LATEST = Date.UTC(2100, 0, 1);

/** Tokens are refused by APIs, or renewed too late, where the clock is wrong. */
export const checkClock: Check = async ({ now, daemon }) => {
  const mend = "set the clock, best by NTP: timedatectl set-ntp true";
  if (now < EARLIEST || now > LATEST) {
    return [problem("clock", `it says ${moment(now)}`, mend)];
  }
  if (daemon && daemon.startedAt > now + 2_000) {
    const ahead = duration(daemon.startedAt - now);
    return [warning("clock", `it was set back: the daemon started ${ahead} from now`, mend)];
  }
  if ((await synchronized()) === false) {
    return [warning("clock", `${moment(now)}; not kept right by NTP`, mend)];
  }
  return [ok("clock", moment(now))];
};

/** Undefined where nobody knows. */
async function synchronized(): Promise<boolean | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const args = ["show", "--property=NTPSynchronized", "--value"];
    const { stdout } = await promisify(execFile)("timedatectl", args, { timeout: 2_000 });
    const answer = stdout.trim();
    return answer === "yes" ? true : answer === "no" ? false : undefined;
  } catch {
    return undefined;
  }
}
