import type { CommandModule } from "./command-module.ts";

interface Row {
  group: string;
  /** Name and arguments, as help lists them. */
  usage: string;
  summary: string;
  load(): Promise<CommandModule>;
}

const TOKENS = "Tokens and requests:";
const CREDENTIALS = "Credentials:";
const PEOPLE = "Who may use them:";
const DAEMON = "The daemon:";

/** All commands, in the order in which help lists them. */
export const commands: Readonly<Record<string, Row>> = {
  get: {
    group: TOKENS,
    usage: "get NAME",
    summary: "print an access token that is valid now",
    load: () => import("./get.ts"),
  },
  request: {
    group: TOKENS,
    usage: "request NAME [METHOD] URL",
    summary: "send a request with the token, like curl",
    load: () => import("./request.ts"),
  },
  exec: {
    group: TOKENS,
    usage: "exec NAME -- COMMAND",
    summary: "run a program that finds the token in its place",
    load: () => import("./exec.ts"),
  },
  curl: {
    group: TOKENS,
    usage: "curl NAME URL",
    summary: "curl with the token, and its own options",
    load: () => import("./curl.ts"),
  },
  netrc: {
    group: TOKENS,
    usage: "netrc NAME",
    summary: "print the token as lines of a netrc file",
    load: () => import("./netrc.ts"),
  },
  "token-file": {
    group: TOKENS,
    usage: "token-file NAME PATH",
    summary: "keep a file with the token current",
    load: () => import("./token-file.ts"),
  },
  test: {
    group: TOKENS,
    usage: "test NAME",
    summary: "try a credential with one real request",
    load: () => import("./test.ts"),
  },
  helper: {
    group: TOKENS,
    usage: "helper ACTION",
    summary: "have git, docker and other tools ask authd",
    load: () => import("./helper.ts"),
  },
  add: {
    group: CREDENTIALS,
    usage: "add [NAME]",
    summary: "add a credential; authd asks for its parts",
    load: () => import("./add.ts"),
  },
  login: {
    group: CREDENTIALS,
    usage: "login NAME",
    summary: "sign in, in your browser or on another device",
    load: () => import("./login.ts"),
  },
  logout: {
    group: CREDENTIALS,
    usage: "logout NAME",
    summary: "revoke its tokens at the issuer, and forget them",
    load: () => import("./logout.ts"),
  },
  set: {
    group: CREDENTIALS,
    usage: "set NAME",
    summary: "change settings or secrets of a credential",
    load: () => import("./set.ts"),
  },
  edit: {
    group: CREDENTIALS,
    usage: "edit NAME",
    summary: "open a credential's file in your editor",
    load: () => import("./edit.ts"),
  },
  trust: {
    group: CREDENTIALS,
    usage: "trust NAME",
    summary: "show what was edited in a file, and accept it",
    load: () => import("./trust.ts"),
  },
  list: {
    group: CREDENTIALS,
    usage: "list",
    summary: "all credentials and how they are",
    load: () => import("./list.ts"),
  },
  show: {
    group: CREDENTIALS,
    usage: "show NAME",
    summary: "all about one credential, but its secrets",
    load: () => import("./show.ts"),
  },
  presets: {
    group: CREDENTIALS,
    usage: "presets [SEARCH]",
    summary: "the APIs that authd knows; show NAME: all about one",
    load: () => import("./presets.ts"),
  },
  refresh: {
    group: CREDENTIALS,
    usage: "refresh NAME",
    summary: "get a new token now, even after a refusal",
    load: () => import("./refresh.ts"),
  },
  remove: {
    group: CREDENTIALS,
    usage: "remove NAME",
    summary: "delete a credential, secrets and tokens",
    load: () => import("./remove.ts"),
  },
  pending: {
    group: PEOPLE,
    usage: "pending",
    summary: "questions that wait for a person",
    load: () => import("./pending.ts"),
  },
  approve: {
    group: PEOPLE,
    usage: "approve [ID]",
    summary: "answer them: say who may use a credential",
    load: () => import("./approve.ts"),
  },
  status: {
    group: DAEMON,
    usage: "status [--watch]",
    summary: "how the daemon is; --watch: live",
    load: () => import("./status.ts"),
  },
  health: {
    group: DAEMON,
    usage: "health [--live]",
    summary: "whether it can serve: for probes, by exit code",
    load: () => import("./health.ts"),
  },
  events: {
    group: DAEMON,
    usage: "events [--follow]",
    summary: "what happened lately; --follow: and what does",
    load: () => import("./events.ts"),
  },
  doctor: {
    group: DAEMON,
    usage: "doctor",
    summary: "check everything, say how to mend it",
    load: () => import("./doctor.ts"),
  },
  audit: {
    group: DAEMON,
    usage: "audit [verify]",
    summary: "who used what; verify: is it all as written",
    load: () => import("./audit.ts"),
  },
  vault: {
    group: DAEMON,
    usage: "vault ACTION",
    summary: "back up, move, or give it another key",
    load: () => import("./vault.ts"),
  },
  fleet: {
    group: DAEMON,
    usage: "fleet ACTION",
    summary: "share credentials with other hosts",
    load: () => import("./fleet.ts"),
  },
  lock: {
    group: DAEMON,
    usage: "lock [--after 30m]",
    summary: "lock the vault: nothing secret stays in memory",
    load: () => import("./lock.ts"),
  },
  unlock: {
    group: DAEMON,
    usage: "unlock",
    summary: "open it again; authd asks for its passphrase",
    load: () => import("./unlock.ts"),
  },
  reload: {
    group: DAEMON,
    usage: "reload",
    summary: "read the configuration again",
    load: () => import("./reload.ts"),
  },
  serve: {
    group: DAEMON,
    usage: "serve",
    summary: "run the daemon in the foreground",
    load: () => import("./serve.ts"),
  },
  stop: {
    group: DAEMON,
    usage: "stop",
    summary: "end the daemon, and wait until it is gone",
    load: () => import("./stop.ts"),
  },
  logs: {
    group: DAEMON,
    usage: "logs [--follow]",
    summary: "the service's log",
    load: () => import("./logs.ts"),
  },
  service: {
    group: DAEMON,
    usage: "service ACTION",
    summary: "run it at login: install, uninstall, status",
    load: () => import("./service.ts"),
  },
  sandbox: {
    group: DAEMON,
    usage: "sandbox",
    summary: "try it all with four practice APIs",
    load: () => import("./sandbox.ts"),
  },
  completion: {
    group: DAEMON,
    usage: "completion SHELL",
    summary: "completion for bash, zsh or fish",
    load: () => import("./completion.ts"),
  },
};
