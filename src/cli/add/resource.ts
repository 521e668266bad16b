/** `authd add NAME --resource URL`: an API that says itself who signs people in (RFC 9728), such as an MCP server. */
import { isTable } from "../../config/json-table.ts";
import { AuthdError } from "../../errors.ts";
import { ownClient } from "../../grants/login/index.ts";
import type { DiscoverResult } from "../../protocol.ts";
import { callDaemon } from "../call-daemon.ts";
import { confirmed, interactive } from "../prompts.ts";
import { secretsFrom } from "../secrets-input.ts";
import { parseSettings, type SettingsInput } from "../settings-input.ts";
import { painter, plain } from "../style.ts";
import type { AddOptions } from "./options.ts";
import { announceAdded, lacksSignIn, sendAdd } from "./send.ts";
import { STOPPED, stopped } from "./send-draft.ts";

const GRANT = "authorization_code";

/** Shows who signs people in for the API before anything is registered there; a person at a terminal is asked. */
export async function addResource(name: string, options: AddOptions): Promise<void> {
  const { resource = "", set = [], secretsFrom: source, replace } = options;
  const given = parseSettings(set);
  const found = await callDaemon("credentials/discover", { name, resource, settings: given });
  process.stderr.write(`${lines(name, found, given).join("\n")}\n`);
  if (found.client === "missing") return await addOwnClient(name, options, found);
  if (interactive() && !(await confirmed("Go on?"))) throw stopped(STOPPED);
  const registers = found.client === "registers";
  const added = await sendAdd({
    ...{ name, grant: GRANT, settings: found.settings },
    secrets: source === undefined ? {} : await secretsFrom(source),
    ...(registers && { register: true }),
    ...(replace && { replace }),
  }).catch((error) => {
    throw registers ? withLostClient(error, name, found.issuer) : error;
  });
  announceAdded(added, replace);
  if (interactive() && lacksSignIn(added)) await (await import("../login.ts")).login(name, {});
}

/** Says what else is lost if the daemon ended before it answered: the issuer may have a client that nobody knows. */
function withLostClient(error: unknown, name: string, issuer: string): unknown {
  if (!(error instanceof AuthdError) || error.reason !== "shutting_down") return error;
  const message = `${error.message}; a client may be left at ${issuer} that nobody uses: run the same command again, with --replace if authd list has ${name}`;
  return new AuthdError(error.reason, message, { credential: name, cause: error });
}

const CLIENTS = {
  given: "yours",
  metadata_document: "described by its metadata document",
  registers: "authd registers one there",
  missing: "you have to make one there",
} satisfies Record<DiscoverResult["client"], string>;

function lines(name: string, found: DiscoverResult, given: SettingsInput): string[] {
  const paint = painter(process.stderr);
  const { resource, issuer, issuerOrigins, others = [], client, settings } = found;
  const elsewhere = issuerOrigins.filter((origin) => origin !== new URL(issuer).origin);
  const rows = [
    ["signs people in", issuer],
    ["also asked", elsewhere.join(", ")],
    ["could choose", others.length > 0 ? `${others.join(", ")} (--set issuer=…)` : ""],
    ["scope", String(settings.scope ?? "")],
    ["client", `${CLIENTS[client]}${given.client_id ? ` (${given.client_id})` : ""}`],
  ];
  return [
    `${paint("bold", plain(name))}: ${plain(resource)}`,
    ...rows
      .filter(([, value]) => value !== "")
      .map(([label = "", value = ""]) => `  ${paint("dim", label.padEnd(16))} ${plain(value)}`),
  ];
}

/** Asks on a terminal for the client that the person has made; elsewhere says how to make one. */
async function addOwnClient(
  name: string,
  options: AddOptions,
  { issuer, settings }: DiscoverResult,
) {
  if (!interactive()) {
    throw new AuthdError(
      "invalid_params",
      `${name}: ${issuer} registers no clients by itself. Make one there: ${ownClient(name)}`,
      { credential: name },
    );
  }
  const set = pairs(settings);
  const { addOnTerminal } = await import("./on-terminal.ts");
  await addOnTerminal(name, { grant: GRANT }, { ...options, set });
}

/** Returns settings as `--set` takes them: keys of tables are dotted, lists are repeated. */
function pairs(settings: DiscoverResult["settings"], prefix = ""): string[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    const key = `${prefix}${name}`;
    if (isTable(value)) return pairs(value, `${key}.`);
    return [value].flat().map((each) => `${key}=${String(each)}`);
  });
}
