import { createInterface } from "node:readline";
import { stateDir } from "../../config/directories.ts";
import type { HelperCall } from "../../helpers/helper.ts";
import { helpers } from "../../helpers/index.ts";
import { findCredential, readMapping } from "../../helpers/mapping.ts";
import { callDaemon } from "../call-daemon.ts";

/** More than any tool asks (characters). */
const MAX_INPUT = 1024 * 1024;

/**
 * `authd helper TOOL …`: answers the tool, in its own protocol. Without commander, which costs a quarter of
 * Node's start. Returns false for words that name no tool.
 */
export async function answerTool([tool = "", ...args]: readonly string[]): Promise<boolean> {
  if (!Object.hasOwn(helpers, tool) || args.includes("--help")) return false;
  const helper = await helpers[tool]!.load();
  const call = callOf(tool, args);
  try {
    process.exitCode = await helper.answer(call);
  } catch (error) {
    const { explain, report } = await import("../print-error.ts");
    const { message, next, code } = explain(error);
    const text = next === undefined ? message : `${message} Next: ${next}`;
    process.exitCode = helper.fail ? helper.fail(call, `authd: ${text}\n`, code) : report(error);
  }
  return true;
}

function callOf(tool: string, args: readonly string[]): HelperCall {
  const mapped = () => readMapping(stateDir(process.env), tool);
  const credentials = async () => (await callDaemon("credentials/list", {})).credentials;
  return {
    args,
    env: process.env,
    read,
    lines: () => createInterface({ input: process.stdin }),
    write: (text) => void process.stdout.write(text),
    complain: (text) => void process.stderr.write(text),
    getToken: (params) => callDaemon("getToken", params),
    credentials,
    credentialFor: async (place) => await findCredential(tool, place, await mapped(), credentials),
    mapped,
  };
}

async function read(): Promise<string> {
  let text = "";
  for await (const part of process.stdin.setEncoding("utf8")) {
    text += part;
    if (text.length > MAX_INPUT) break;
  }
  return text;
}
