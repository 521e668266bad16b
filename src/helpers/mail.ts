/** Prints a token for mail programs, which run a command for their password. */
import { parseArgs } from "node:util";
import { shellWord } from "../base/shell-word.ts";
import { AuthdError } from "../errors.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";

/** Answers `authd helper mail NAME [--xoauth2 USER | --oauthbearer USER]`. */
export async function answer(call: HelperCall): Promise<number> {
  const { credential, xoauth2, oauthbearer } = parse(call.args);
  const { accessToken } = await call.getToken({ credential });
  const text =
    xoauth2 !== undefined
      ? xoauth2Response(xoauth2, accessToken)
      : oauthbearer !== undefined
        ? oauthBearerResponse(oauthbearer, accessToken)
        : accessToken;
  call.write(`${text}\n`);
  return 0;
}

function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { xoauth2: { type: "string" }, oauthbearer: { type: "string" } },
    });
    const [credential] = positionals;
    if (credential && positionals.length === 1) return { credential, ...values };
  } catch {
    // Told below.
  }
  throw new AuthdError(
    "invalid_params",
    "Write it like this: authd helper mail NAME [--xoauth2 USER | --oauthbearer USER]",
  );
}

/** Returns the client's first message of XOAUTH2, Google's and Microsoft's mechanism, in base64. */
function xoauth2Response(user: string, accessToken: string): string {
  return base64(`user=${user}\x01auth=Bearer ${accessToken}\x01\x01`);
}

/** Returns the client's first message of OAUTHBEARER (RFC 7628), in base64. */
function oauthBearerResponse(user: string, accessToken: string): string {
  // In a SASL name (RFC 5801) "=" and "," are escaped.
  const name = user.replaceAll("=", "=3D").replaceAll(",", "=2C");
  return base64(`n,a=${name},\x01auth=Bearer ${accessToken}\x01\x01`);
}

const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64");

/** Mail programs have an account around the command, which only a person knows. */
export function changes({ command, wanted }: InstallOptions): never {
  const line = [...command, "helper", "mail"].map(shellWord).join(" ");
  const name = wanted[0]?.credential ?? "NAME";
  throw new AuthdError(
    "invalid_params",
    `The command goes into the account of your mail program, by hand: ${line} ${name}
  mutt   set imap_oauth_refresh_command="${line} ${name}"
  msmtp  passwordeval ${line} ${name}
  isync  PassCmd "${line} ${name}"`,
  );
}
