import type { FleetStatus, SharedCredentialStatus } from "../../protocol.ts";
import { callDaemon } from "../call-daemon.ts";
import { print, printJson } from "../output.ts";
import { type Paint, painter, plain } from "../style.ts";
import { table } from "../table.ts";
import { duration } from "../times.ts";
import { count } from "../vault/words.ts";

/** Runs `authd fleet status`. */
export async function status({ json = false }: { json?: boolean }): Promise<void> {
  const result = await callDaemon("fleet/status", {});
  if (json) return printJson(result);
  print(...told(result, painter(process.stdout)));
}

/** Formats the hosts and the credentials as two tables. */
function told(fleet: FleetStatus, paint: Paint): string[] {
  const { host, url, problem, hosts, credentials } = fleet;
  const head = `${plain(host)} shares ${plain(url)}${fleet.drained ? ", and refreshes nothing any more" : ""}`;
  if (problem !== undefined) return [head, paint("red", plain(problem)), lagOf(fleet)];
  return [
    head,
    lagOf(fleet),
    "",
    ...table([
      ["HOST", "SEEN", "GROUPS"],
      ...hosts.map(({ name, seenMsAgo, groups }) => [
        ...[plain(name), `${duration(seenMsAgo)} ago`],
        plain(groups.join(", ")),
      ]),
    ]),
    "",
    ...table([
      ["CREDENTIAL", "GROUP", "VERSION", "COMMITTED BY", "NOW"],
      ...credentials.map((one) => [
        plain(one.name),
        plain(one.group ?? ""),
        versionOf(one),
        committedBy(one),
        nowOf(one),
      ]),
    ]),
  ];
}

function lagOf({ lag: { currentMsAgo, credentials = 0, ms = 0 } }: FleetStatus): string {
  const when =
    currentMsAgo === undefined
      ? "it has not had all of the store since its start"
      : `it had all of the store ${duration(currentMsAgo)} ago`;
  if (credentials === 0) return when;
  return `${when}, and is behind by ${count(credentials, "credential")}, ${duration(ms)}`;
}

function committedBy({ committedBy, committedMsAgo }: SharedCredentialStatus): string {
  if (committedBy === undefined) return "";
  const when = committedMsAgo === undefined ? "" : `, ${duration(committedMsAgo)} ago`;
  return `${plain(committedBy)}${when}`;
}

function versionOf({ version, versionHere }: SharedCredentialStatus): string {
  if (version === versionHere) return String(version);
  return versionHere === 0 ? `${version}, not here` : `${version}, here ${versionHere}`;
}

function nowOf(one: SharedCredentialStatus): string {
  const { leasedBy, leaseMs = 0, intentOf, intentMsAgo = 0, pending } = one;
  if (leasedBy !== undefined) return `${plain(leasedBy)} refreshes it, for ${duration(leaseMs)}`;
  if (intentOf !== undefined) {
    return `${plain(intentOf)} has not told what came of a refresh ${duration(intentMsAgo)} ago`;
  }
  return pending ? "not in the store yet" : "";
}
