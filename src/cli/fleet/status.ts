import type { FleetStatus, SharedCredentialStatus } from "../../protocol.ts";
import { callDaemon } from "../call-daemon.ts";
import { print, printJson } from "../output.ts";
import { type Paint, painter, plain } from "../style.ts";
import { table } from "../table.ts";
import { duration } from "../times.ts";

/** Runs `authd fleet status`. */
export async function status({ json = false }: { json?: boolean }): Promise<void> {
  const result = await callDaemon("fleet/status", {});
  if (json) return printJson(result);
  print(...told(result, painter(process.stdout)));
}

/** Formats the hosts and the credentials as two tables. */
function told({ host, url, problem, hosts, credentials }: FleetStatus, paint: Paint): string[] {
  const head = `${plain(host)} shares ${plain(url)}`;
  if (problem !== undefined) return [head, paint("red", plain(problem))];
  return [
    head,
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
      ["CREDENTIAL", "GROUP", "VERSION", "REFRESHED BY", "NOW"],
      ...credentials.map((one) => [
        plain(one.name),
        plain(one.group ?? ""),
        versionOf(one),
        plain(one.committedBy ?? ""),
        nowOf(one),
      ]),
    ]),
  ];
}

function versionOf({ version, versionHere }: SharedCredentialStatus): string {
  if (version === versionHere) return String(version);
  return versionHere === 0 ? `${version}, not here` : `${version}, here ${versionHere}`;
}

function nowOf({ leasedBy, intentOf, pending }: SharedCredentialStatus): string {
  if (leasedBy !== undefined) return `${plain(leasedBy)} refreshes it`;
  if (intentOf !== undefined) return `${plain(intentOf)} has not told what came of a refresh`;
  return pending ? "not in the store yet" : "";
}
