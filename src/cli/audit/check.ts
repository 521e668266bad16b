import { join } from "node:path";
import { PURPOSE, readEnd } from "../../audit/head.ts";
import { type KnownHead, type Verification, verify } from "../../audit/verify.ts";
import { bootId } from "../../base/boot-id.ts";
import { omitUndefined } from "../../base/omit-undefined.ts";
import { stateDir } from "../../config/directories.ts";
import { messageOf } from "../../errors.ts";
import { NoDaemonError } from "../../rpc/daemon-connection.ts";
import { derivedKey } from "../../vault/derived-key.ts";
import { isRightKey, readHeader } from "../../vault/header.ts";
import { keyProviders } from "../../vault/keys/index.ts";
import { callDaemon } from "../call-daemon.ts";
import { EXIT } from "../exit-code.ts";
import { print, printJson } from "../output.ts";
import { painter, plain } from "../style.ts";

/** Known end of the log, and where it comes from. */
interface Against {
  head?: KnownHead;
  words: string;
  /** Error of that source itself. */
  wrong?: string;
}

export async function check({ json = false }: { json?: boolean }): Promise<void> {
  const path = join(stateDir(process.env), "audit.log");
  let { against, verification } = await verified(path);
  // Verified twice: a daemon that rotates the file meanwhile must not look like tampering.
  if (verification.flaws.length > 0) ({ against, verification } = await verified(path));
  // An empty log has no end to compare.
  const wrong = verification.lines === 0 && !against.head ? undefined : against.wrong;
  const flaws = [
    ...verification.flaws,
    ...(wrong === undefined ? [] : [{ file: path, line: 0, message: wrong }]),
  ];
  const isSound = flaws.length === 0;
  process.exitCode = isSound ? EXIT.done : EXIT.failed;
  const { lines, first, last, files, notes } = verification;
  const said = [...notes, against.words];
  if (json) return printJson({ ok: isSound, lines, first, last, files, flaws, notes: said });
  const paint = painter(process.stdout);
  print(...flaws.map((flaw) => `${paint("red", "✖")} ${plain(inWords(flaw))}`));
  print(...said.map((note) => paint("dim", plain(note))));
  const numbers = `${lines} lines, number ${first} to ${last}`;
  print(
    isSound ? `${paint("green", "✔")} ${numbers}: all as written.` : `${numbers}: not as written.`,
  );
}

function inWords({ file, line, message }: Verification["flaws"][number]): string {
  return line === 0 ? `${file}: ${message}` : `${file}, line ${line}: ${message}`;
}

async function verified(path: string) {
  const against = await known(path);
  return { against, verification: verify(path, against.head) };
}

async function known(path: string): Promise<Against> {
  try {
    const told = await callDaemon("audit/head", {}, 10_000);
    if (told.mode === "off") return { words: 'The daemon writes no audit log (audit = "off").' };
    // The daemon has written nothing since its start.
    const { problem } = told;
    const wrong = omitUndefined({ wrong: problem });
    if (told.n === 0) return { words: "The daemon could not look at the log yet.", ...wrong };
    const words = "The end was compared with what the running daemon has written.";
    return { head: { ...told, exact: true }, words, ...wrong };
  } catch (error) {
    if (!(error instanceof NoDaemonError)) {
      return { words: `The end was not compared: the daemon does not tell (${messageOf(error)}).` };
    }
  }
  return await sealed(path);
}

/** Reads the end that the last daemon left, signed with the vault's key. */
async function sealed(path: string): Promise<Against> {
  const key = await keyOfVault();
  if (typeof key === "string") return { words: `The end was not compared: ${key}.` };
  const end = readEnd(path, key, bootId());
  key.key.fill(0);
  if ("head" in end) return { head: end.head, words: WORDS[end.from] };
  const words = "The end was not compared";
  return end.is === "other-key"
    ? { words: `${words}: ${end.wrong}.` }
    : { words: `${words}.`, wrong: end.wrong };
}

const WORDS = {
  "audit.head":
    "The end was compared with audit.head, which the daemon wrote at its end or up to 30 s before.",
  "audit.last": "The end was compared with audit.last, which the daemon wrote with the last lines.",
} as const;

/** Returns the vault's key, or why it is not available here. */
async function keyOfVault(): Promise<{ key: Buffer; keyId: string } | string> {
  const { env } = process;
  const dir = join(stateDir(env), "vault");
  try {
    const header = readHeader(dir);
    if (!header) return "there is no vault";
    const { keySource, keyId } = header;
    if (keySource === "passphrase" || keySource === "systemd-credential") {
      return `no daemon runs, and the vault's key comes from ${keySource}; start the daemon`;
    }
    const askPassphrase = async () => undefined;
    const key = await keyProviders[keySource].load({ dir, keyId, env, askPassphrase });
    try {
      if (!isRightKey(header, key)) return "the vault's key is another";
      return { key: derivedKey(key, PURPOSE), keyId };
    } finally {
      key.fill(0);
    }
  } catch (error) {
    return `the vault's key can't be had: ${messageOf(error)}`;
  }
}
