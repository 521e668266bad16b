/** Mail programs of Debian at servers that take XOAUTH2. */

import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "ava";
import { run } from "../helpers/child.ts";
import { MAIN } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";
import type { Scope } from "../helpers/scope.ts";
import { startToolDaemon } from "../helpers/tool-daemon.ts";

const USER = "me@mail.example";
/** XOAUTH2 with the token that the daemon hands out. */
const EXPECTED = Buffer.from(`user=${USER}\x01auth=Bearer practice-1\x01\x01`).toString("base64");

/** What a server says to one line; empty: nothing yet; undefined: it ends the connection. */
type Answer = (line: string) => string | undefined;

/** Starts a server that greets and answers line by line. */
async function startLineServer(t: Scope, greeting: string, connected: () => Answer) {
  const server: Server = createServer((socket: Socket) => {
    const answer = connected();
    socket.on("error", () => {});
    t.teardown(() => socket.destroy());
    socket.write(`${greeting}\r\n`);
    createInterface({ input: socket }).on("line", (line) => {
      const said = answer(line);
      if (said === undefined) socket.end();
      else if (said !== "") socket.write(`${said}\r\n`);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** An SMTP server (RFC 5321) that keeps what it is told. */
function smtp(seen: string[]): Answer {
  let isData = false;
  return (line) => {
    seen.push(line);
    if (isData) {
      isData = line !== ".";
      return isData ? "" : "250 kept";
    }
    const [verb = ""] = line.toUpperCase().split(" ");
    if (verb === "EHLO") return "250-mail.example\r\n250 AUTH XOAUTH2";
    // The client's message comes with it, or in a line of its own.
    if (line.endsWith(EXPECTED)) return "235 welcome";
    if (verb === "AUTH") return "334 ";
    isData = verb === "DATA";
    if (isData) return "354 go on";
    return verb === "QUIT" ? "221 bye" : "250 fine";
  };
}

const SELECTED = ["* 0 EXISTS", "* 0 RECENT", "* OK [UIDVALIDITY 1] x", "* OK [UIDNEXT 1] x"];
/** What an IMAP server (RFC 3501) with an empty inbox answers before `TAG OK`. */
const IMAP: Readonly<Record<string, readonly string[]>> = {
  CAPABILITY: ["* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR"],
  LIST: ['* LIST () "/" INBOX'],
  SELECT: SELECTED,
  EXAMINE: SELECTED,
};

function imap(seen: string[]): Answer {
  let tag = "";
  return (line) => {
    seen.push(line);
    // The client's message in a line of its own, without SASL-IR.
    if (line === EXPECTED) return `${tag} OK welcome`;
    const [first = "", verb = ""] = line.split(" ");
    tag = first;
    const command = verb.toUpperCase();
    if (command === "LOGOUT") return undefined;
    if (command === "AUTHENTICATE" && !line.endsWith(EXPECTED)) return "+ ";
    const done = SELECTED === IMAP[command] ? "OK [READ-WRITE] done" : "OK done";
    return [...(IMAP[command] ?? []), `${tag} ${done}`].join("\r\n");
  };
}

for (const program of ["msmtp", "mbsync", "mutt"] as const) {
  test(`${program} signs in with XOAUTH2 and a token of authd`, async (t) => {
    if (absent(program).length > 0) return missing(t, `${program} is not installed`);
    const daemon = await startToolDaemon(t);
    await daemon.addExpiring("mail");
    const seen: string[] = [];
    const isSmtp = program !== "mbsync";
    const port = isSmtp
      ? await startLineServer(t, "220 mail.example ESMTP", () => smtp(seen))
      : await startLineServer(t, "* OK mail.example", () => imap(seen));
    const command = `${process.execPath} ${MAIN} helper mail mail`;
    const file = join(daemon.folder, "settings");
    writeFileSync(file, settings[program](port, command, daemon.folder), { mode: 0o600 });
    mkdirSync(join(daemon.folder, "mail"));
    const words = {
      msmtp: ["-C", file, "you@mail.example"],
      mbsync: ["-c", file, "all"],
      mutt: ["-n", "-F", file, "-s", "x", "you@mail.example"],
    }[program];
    const env = { ...daemon.env, TERM: "dumb" };
    const ended = await run(
      t,
      "sh",
      ["-c", 'echo "Subject: x" | exec "$@"', "", program, ...words],
      { env },
    );
    const isIn = seen.some((line) => line.endsWith(EXPECTED));
    t.true(isIn, `${seen.join("\n")}\n${ended.stdout}${ended.stderr}`);
    t.is(ended.code, 0, seen.join("\n") + ended.stderr);
  });
}

const settings = {
  msmtp: (port: number, command: string) => `account default
host 127.0.0.1
port ${port}
tls off
auth xoauth2
user ${USER}
from ${USER}
passwordeval ${command}
`,
  mbsync: (port: number, command: string, folder: string) => `IMAPAccount it
Host 127.0.0.1
Port ${port}
SSLType None
AuthMechs XOAUTH2
User ${USER}
PassCmd "${command}"

IMAPStore far
Account it

MaildirStore near
Inbox ${folder}/mail/inbox
Path ${folder}/mail/

Channel all
Far :far:
Near :near:
Create Near
`,
  mutt: (port: number, command: string) => `set from="${USER}"
set smtp_url="smtp://${USER}@127.0.0.1:${port}/"
set smtp_authenticators="xoauth2"
set smtp_oauth_refresh_command="${command}"
set ssl_starttls=no
set ssl_force_tls=no
set copy=no
`,
};
