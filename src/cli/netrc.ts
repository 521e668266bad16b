import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import { callDaemon, FOR_A_PERSON_MS } from "./call-daemon.ts";
import { print } from "./output.ts";

/** The login that hosts which take a token for a password mostly accept. */
const LOGIN = "oauth2";

export function define(command: Command): void {
  command
    .argument("<name...>", "credentials whose APIs take the token as a password (HTTP Basic)")
    .option("--login <user>", "the user beside the token", LOGIN)
    .action(netrc);
}

export const examples = [
  "curl --netrc-file <(authd netrc gitlab) https://gitlab.example.com/group/file.tar.gz",
];

async function netrc(names: string[], { login = LOGIN }: { login?: string }): Promise<void> {
  const lines: string[] = [];
  for (const credential of names) lines.push(...(await linesOf(credential, login)));
  print(...lines);
}

/** Returns a line for each host of the credential's origins. Rejects with AuthdError. */
async function linesOf(credential: string, login: string): Promise<string[]> {
  const { origins } = await callDaemon("credentials/show", { credential });
  if (origins.length === 0) {
    const text = `${credential}: it has no origins, so no host may have its token: authd set ${credential} --set origins=https://…`;
    throw new AuthdError("origin_not_allowed", text, { credential });
  }
  const timeoutMs = 35_000 + FOR_A_PERSON_MS;
  const { accessToken, tokenType } = await callDaemon("getToken", { credential }, timeoutMs);
  if (tokenType.toLowerCase() === "dpop") {
    const text = `${credential}: its tokens are bound to a key (dpop), and no password: authd request ${credential} URL`;
    throw new AuthdError("invalid_params", text, { credential });
  }
  const hosts = new Set(origins.map((origin) => new URL(origin).hostname));
  const password = word(accessToken, `${credential}: its token`);
  const user = word(login, "--login");
  return Array.from(hosts, (host) => `machine ${host} login ${user} password ${password}`);
}

/** Programs differ in how they quote: what would need it is refused. Throws AuthdError `invalid_params`. */
function word(text: string, what: string): string {
  if (/^[!$%&()*+,./:;<=>?@[\]^_`{|}~\w-][!#$%&()*+,./:;<=>?@[\]^_`{|}~\w-]*$/.test(text))
    return text;
  throw new AuthdError("invalid_params", `${what} has characters that a netrc file can't hold`);
}
