import { spawnSync } from "node:child_process";
import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import { callDaemon, FOR_A_PERSON_MS } from "./call-daemon.ts";
import { parseCurlHelp } from "./curl/curl-options.ts";
import { curlrcOptions } from "./curl/curlrc.ts";
import { assertOneRequest, CONFIG_FD, type CurlPlan, curlConfig, planCurl } from "./curl/plan.ts";
import { runChild } from "./exec/child.ts";
import { MemoryFiles } from "./exec/memory-files.ts";
import { wholeUrl } from "./request-url.ts";

export function define(command: Command): void {
  command
    .usage("<name> [curl's options] <url>")
    .argument("<name>", "the credential")
    .argument("[arguments...]", "what curl takes; a path alone where the credential has one origin")
    .helpOption("--help", "print help; curl --help tells of curl's options")
    .allowUnknownOption()
    .action(curl);
}

export const examples = [
  "authd curl github https://api.github.com/user --compressed -w '%{time_total}\\n'",
  "authd curl labelf /v2/models -o models.json --retry 3",
];

async function curl(name: string, _: string[], __: object, command: Command): Promise<void> {
  if (process.platform === "win32") {
    const text =
      "authd curl is not there on Windows, where curl reads no descriptor: authd request";
    throw new AuthdError("invalid_params", text);
  }
  const words = (command.parent as unknown as { rawArgs: string[] }).rawArgs;
  // The words of curl, as they are: commander takes no part in them.
  const given = words.slice(words.indexOf(name, 1) + 1);
  const options = parseCurlHelp(curlHelp());
  const { origins } = await callDaemon("credentials/show", { credential: name });
  const whole = (url: string) => wholeUrl(name, url);
  // curl heeds a -q in its first word only.
  const isQuiet = /^(-(?!-).*q|--disable$)/.test(given[0] ?? "");
  const settings = isQuiet ? [] : curlrcOptions(process.env, options);
  const plan = await planCurl(given, options, { credential: name, origins, whole, settings });
  const config = curlConfig(name, plan, await tokenFor(name, plan));
  const files = new MemoryFiles();
  try {
    const before = isQuiet ? ["-q"] : [];
    const all = ["curl", ...before, "-K", `/dev/fd/${CONFIG_FD}`, ...plan.args];
    process.exitCode = await runChild(all, () => ({
      env: process.env,
      descriptors: new Map([[CONFIG_FD, files.descriptor(config)]]),
    }));
  } finally {
    files.remove();
  }
}

async function tokenFor(credential: string, plan: CurlPlan) {
  const timeoutMs = 35_000 + FOR_A_PERSON_MS;
  const token = await callDaemon("getToken", { credential }, timeoutMs);
  if (token.tokenType.toLowerCase() !== "dpop") return token;
  assertOneRequest(plan, credential);
  const { method, urls } = plan;
  return await callDaemon("getToken", { credential, method, url: urls[0]! }, timeoutMs);
}

/** Lists the options of the curl in the PATH. */
function curlHelp(): string {
  const { stdout, error } = spawnSync("curl", ["--help", "all"], { encoding: "utf8" });
  if (!error) return stdout;
  throw new AuthdError("request_failed", `curl can't be run: ${error.message}; is it installed?`);
}
