import type { CredentialInfo, Unsealed } from "../../protocol.ts";
import { AT_STAKE } from "../credentials.ts";
import { duration } from "../times.ts";
import { type Check, type Finding, ok, problem } from "./finding.ts";

/** Does the disk take what the daemon has to keep? */
export const checkUnsealed: Check = ({ daemon, credentials, now }) => {
  const behind = credentials.flatMap(({ name, unsealed }) =>
    unsealed ? [finding(name, unsealed, now)] : [],
  );
  if (behind.length > 0 || !daemon) return behind;
  return [ok("disk", "all that the daemon holds is sealed")];
};

function finding(name: CredentialInfo["name"], unsealed: Unsealed, now: number): Finding {
  const { atStake, since, message } = unsealed;
  const what = `for ${duration(now - since)}; ${AT_STAKE[atStake]}: ${message}`;
  return problem(name, `in memory only ${what}`, "mend the disk, and do not end authd before that");
}
