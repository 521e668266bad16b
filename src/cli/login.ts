import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import { hasScreen } from "../base/open-browser.ts";
import { AuthdError } from "../errors.ts";
import type {
  CredentialInfo,
  LoginFlow,
  LoginStarted,
  Notifications,
  SignInDemand,
} from "../protocol.ts";
import { ConnectionLost, type DaemonConnection } from "../rpc/daemon-connection.ts";
import { connectionLost, connectToDaemon, tellOfQuestion } from "./call-daemon.ts";
import { LineReader } from "./login/read-line.ts";
import { say, showLogin } from "./login/show-login.ts";
import { milliseconds } from "./parse-seconds.ts";
import { report } from "./print-error.ts";
import { announce } from "./print-result.ts";

interface LoginOptions {
  browser?: boolean;
  device?: boolean;
  paste?: boolean;
  open?: boolean;
  timeout?: string;
  scope?: string;
  acrValues?: string;
  maxAge?: string;
}

/** Delay (ms) after which a terminal is told that the daemon waits for a person's answer. */
const NOTICE_DELAY_MS = 1_000;

export function define(command: Command): void {
  command
    .argument("<name>", "the credential")
    .option("--browser", "with a browser on this machine")
    .option("--device", "on another device, by a code")
    .option("--paste", "with a browser anywhere; paste the address that it ends at")
    .option("--no-open", "print the link, and open nothing")
    .option("--scope <scope>", "scopes beyond those of its file, such as an API asks for")
    .option("--acr-values <values>", "kinds of sign-in that an API asks for, the best first")
    .option("--max-age <seconds>", "how long ago you may have signed in at most")
    .option("--timeout <seconds>", "give up sooner than after 300 s, or what the issuer says")
    .action(async (name: string, options: LoginOptions) => await login(name, options));
}

export const examples = [
  "authd login mail               opens your browser; over SSH it shows a code",
  "authd login mail --device      a code to enter on your telephone",
  "authd login notes --scope files:write   one more scope, as an API asks for it",
  "authd login mail --paste       sign in anywhere, and paste the last address",
];

/** Signs a person in. Sets the exit code. */
export async function login(name: string, options: LoginOptions): Promise<void> {
  const timeoutMs = milliseconds("--timeout", options.timeout);
  const connection = await connectToDaemon();
  let started: LoginStarted | undefined;
  const cancel = async () => {
    if (started) await connection.request("login/cancel", { login: started.login }).catch(() => {});
  };
  const interrupted = () => void cancel().finally(() => process.exit(report(stopped(name))));
  process.once("SIGINT", interrupted);
  connection.onNotification = (method, params) => {
    const { state } = params as Notifications["login/progress"];
    if (method === "login/progress" && state === "exchanging") noticeQuestion(connection, name);
  };
  try {
    started = await start(connection, name, options);
    await showLogin(name, started, options.open !== false);
    const info = await within(name, timeoutMs, () => finish(connection, name, started!));
    announce(info, signedInAs(info), [`authd get ${name}`, `authd test ${name}`]);
  } catch (error) {
    if (error instanceof AuthdError && error.reason === "timeout") await cancel();
    throw error instanceof ConnectionLost ? connectionLost() : error;
  } finally {
    process.off("SIGINT", interrupted);
    connection.destroy();
  }
}

async function start(
  connection: DaemonConnection,
  name: string,
  options: LoginOptions,
): Promise<LoginStarted> {
  const demand = demandOf(options);
  const begin = async (how: LoginFlow | undefined) =>
    (await connection.request("login/start", {
      ...{ credential: name, ...demand },
      ...(how && { how }),
    })) as LoginStarted;
  const given = givenFlow(options);
  if (given || options.open === false || hasScreen(process.env)) return await begin(given);
  return await begin("device").catch(async (error) => {
    if (!isWithoutDeviceFlow(error)) throw error;
    return await begin("paste").catch((other) => {
      // The credential signs in by a device alone.
      throw other instanceof AuthdError && other.reason === "invalid_params" ? error : other;
    });
  });
}

function demandOf({ scope, acrValues, maxAge: text }: LoginOptions): SignInDemand {
  const maxAge = text === undefined ? undefined : Number(text);
  if (maxAge !== undefined && !(Number.isInteger(maxAge) && maxAge >= 0)) {
    throw new AuthdError("invalid_params", "--max-age must be a whole number of seconds");
  }
  return omitUndefined({ scope, acrValues, maxAge });
}

/** True if the issuer knows no device flow, or has none for this client. */
function isWithoutDeviceFlow(error: unknown): boolean {
  if (!(error instanceof AuthdError)) return false;
  const refused = ["unauthorized_client", "unsupported_grant_type"];
  return error.reason === "invalid_params" || refused.includes(error.oauth?.error ?? "");
}

function givenFlow({ browser, device, paste }: LoginOptions): LoginFlow | undefined {
  const given = Object.entries({ browser, device, paste }).filter(([, isGiven]) => isGiven);
  if (given.length > 1) {
    throw new AuthdError("invalid_params", "give one of --browser, --device and --paste");
  }
  return given[0]?.[0] as LoginFlow | undefined;
}

async function finish(
  connection: DaemonConnection,
  name: string,
  { login, how }: LoginStarted,
): Promise<CredentialInfo> {
  const ask = async (redirected?: string) =>
    (await connection.request("login/finish", {
      login,
      ...(redirected !== undefined && { redirected }),
    })) as CredentialInfo;
  if (how !== "paste") return await ask();
  const lines = new LineReader();
  try {
    for (;;) {
      const address = await lines.next("Address: ");
      if (address === undefined) {
        throw new AuthdError(
          "invalid_params",
          `${name}: no address was pasted; nothing was changed`,
        );
      }
      try {
        return await ask(address);
      } catch (error) {
        const isUnfit = error instanceof AuthdError && error.reason === "invalid_params";
        if (!isUnfit || process.stdin.isTTY !== true) throw error;
        report(error);
      }
    }
  } finally {
    lines.close();
  }
}

/** Rejects with AuthdError `timeout` when the time is over. */
async function within<T>(name: string, ms: number | undefined, work: () => Promise<T>): Promise<T> {
  if (ms === undefined) return await work();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `${name}: nobody signed in within ${ms / 1_000} s; nothing was changed. To try again: authd login ${name}`;
    timer = setTimeout(() => reject(new AuthdError("timeout", message, { credential: name })), ms);
  });
  return await Promise.race([work(), late]).finally(() => clearTimeout(timer));
}

function noticeQuestion(connection: DaemonConnection, name: string): void {
  if (process.stderr.isTTY !== true) return;
  setTimeout(() => void tellOfQuestion(connection, name).catch(() => {}), NOTICE_DELAY_MS).unref();
}

function signedInAs({ login }: CredentialInfo): string {
  return login?.account === undefined ? "is signed in" : `is signed in as ${login.account}`;
}

function stopped(name: string): AuthdError {
  say("");
  return new AuthdError("cancelled", `${name}: stopped; what was there before is still in use`);
}
