/** Reads the subject token of one token request: anew each time, as workloads' tokens are replaced often. */
import { cleanEnvironment } from "../base/child.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { programOutput } from "../base/program-output.ts";
import { readRegularFile } from "../base/regular-file.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError, messageOf } from "../errors.ts";
import {
  type AwsSubject,
  filledHeaders,
  readAnswer,
  SUBJECT_TOKEN,
  type Subject,
  textAt,
} from "../grants/index.ts";
import { createIssuerSend } from "../http/issuer.ts";
import { signedAwsSubject } from "./aws-subject.ts";
import type { CredentialDeps } from "./credential-deps.ts";

/** Longer ones are no tokens. */
const MAX_BYTES = 1024 ** 2;
/** Limit of a program (ms). */
const EXEC_TIMEOUT_MS = 30_000;

interface Reader {
  deps: CredentialDeps;
  settings: CredentialSettings;
  secrets: Readonly<Record<string, string>>;
  /** The caller's; undefined: the credential's own. */
  audience?: string | undefined;
}

/** What one request has beside the credential's secrets. */
export interface SubjectReading {
  /** The token, by the name that templates know; nothing without `subject`. */
  secrets: Readonly<Record<string, string>>;
  /** Parts of the token in their own spelling, which no error may quote. */
  hidden: readonly string[];
}

/** Rejects with AuthdError. */
export async function readSubjectToken(reader: Reader): Promise<SubjectReading> {
  const { subject } = reader.settings.own as { subject?: Subject };
  if (subject === undefined) return { secrets: {}, hidden: [] };
  if (subject.aws !== undefined) return await ofAws(reader, subject.aws);
  const token = await read(reader, subject);
  if (token !== undefined && token !== "")
    return { secrets: { [SUBJECT_TOKEN]: token }, hidden: [] };
  throw failed(reader, "there is no token in what subject says; check subject.place.");
}

async function read(reader: Reader, subject: Subject): Promise<string | undefined> {
  const { file, url, exec, credential, place = "text" } = subject;
  if (credential !== undefined) return await ofCredential(reader, credential);
  const answer =
    url !== undefined
      ? await ask(reader, url, subject)
      : answerOf(exec ? await run(reader, exec) : content(reader, file ?? ""));
  return textAt(place, readAnswer(answer))?.trim();
}

const answerOf = (text: string) => ({ status: 200, headers: {}, text });

async function ofAws(reader: Reader, aws: AwsSubject): Promise<SubjectReading> {
  const { deps, settings, secrets } = reader;
  const { audience } = settings.own as { audience?: string | string[] };
  const { token, authorization, sessionToken } = await signedAwsSubject({
    ...{ aws, secrets, now: deps.time.now().wall, send: sender(reader) },
    audience: reader.audience ?? [audience ?? []].flat()[0],
    content: (path, key) => content(reader, path, key),
    failed: (why) => failed(reader, why),
  });
  const hidden = [authorization, ...(sessionToken === undefined ? [] : [sessionToken])];
  return { secrets: { [SUBJECT_TOKEN]: token }, hidden };
}

function content(reader: Reader, path: string, key = "subject.file"): string {
  try {
    return readRegularFile(path, MAX_BYTES, { followLinks: true }).toString("utf8");
  } catch (error) {
    throw failed(reader, `${key} ${path} can't be read: ${messageOf(error)}`);
  }
}

function sender({ deps, settings, secrets }: Reader) {
  const { http, clock } = deps;
  return createIssuerSend({
    ...{ http, clock, credential: settings.name, hidden: Object.values(secrets) },
    allowInsecureHttp: settings.allowInsecureHttp,
    isOwnAddress: true,
    ...omitUndefined({ ca: settings.ca }),
  });
}

async function ask(reader: Reader, url: string, { headers }: Subject) {
  const { settings, secrets } = reader;
  const named = Object.entries(secrets).map(([name, value]) => [`secret.${name}`, value]);
  const values = { ...settings.fields, ...Object.fromEntries(named) };
  const request = { method: "GET", url, headers: filledHeaders(headers, values) };
  const response = await sender(reader)({ ...request, urlKey: "subject.url", repeatable: true });
  if (response.status >= 200 && response.status <= 299) return response;
  throw failed({ settings }, `subject.url answered HTTP ${response.status}; check it.`);
}

async function run(reader: Reader, command: readonly string[]): Promise<string> {
  const { allowsExec } = reader.deps;
  if (allowsExec !== true) {
    throw failed(
      reader,
      "subject.exec is off: set subject_exec = true in config.toml, and start authd anew.",
    );
  }
  const { ended, output } = await programOutput({
    ...{ command, timeoutMs: EXEC_TIMEOUT_MS, maxBytes: MAX_BYTES },
    env: cleanEnvironment(process.env),
  });
  if (ended.how === "exit" && ended.code === 0) return output;
  const how = {
    exit: `ended with status ${"code" in ended ? ended.code : ""}`,
    signal: "was ended by a signal",
    timeout: `took over ${EXEC_TIMEOUT_MS / 1_000} s`,
    missing: `can't be started (${"why" in ended ? ended.why : ""})`,
    too_long: "printed too much",
  }[ended.how];
  throw failed(reader, `the program of subject.exec, ${command[0]}, ${how}.`);
}

async function ofCredential(reader: Reader, name: string): Promise<string> {
  const { tokenOf } = reader.deps;
  try {
    return await tokenOf(name, reader.settings.name);
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    throw failed(reader, `subject.credential has none either: ${error.message}`, error);
  }
}

/** Returns an error of which nothing was sent to the issuer, so that it is tried again. */
function failed({ settings }: Pick<Reader, "settings">, why: string, cause?: AuthdError) {
  const { name } = settings;
  return new AuthdError("issuer_unavailable", `${name}: it has no subject token: ${why}`, {
    ...{ credential: name, contact: { sent: false, answered: false } },
    ...omitUndefined({ cause, retryAfterMs: cause?.retryAfterMs }),
  });
}
