import type { AnswerCondition } from "../grants/answer-condition.ts";
import type { SecretField } from "../grants/grant.ts";
import type { LifetimeSetting } from "../grants/lifetime-setting.ts";
import type { KeptPlace } from "../grants/response-settings.ts";
import type { BoundValues } from "./binding.ts";
import type { Policy } from "./policy.ts";

/** Prefix of the keys of `written` that a credential has from `config.toml`. */
export const FROM_CONFIG = "config.toml: ";

/**
 * The settings of one credential: its file merged over its preset and the defaults, checked, frozen.
 * No secrets. Made by config.ts.
 */
export interface CredentialSettings {
  readonly name: string;
  readonly preset?: string;
  /** A row of the table in grants/index.ts. */
  readonly grant: string;
  /** Spelled as `new URL(x).origin` does. */
  readonly origins: readonly string[];
  /** Further origins, which come out of the issuer's answer; absent: none. */
  readonly keptOrigins?: KeptOrigins;
  /** Values of the issuer's answer that are kept, by name; absent: none. */
  readonly kept?: KeptPlaces;
  /** Names in lower case. Templates in which only `{token}` and `{secret.NAME}` are left to fill in. */
  readonly headers: Readonly<Record<string, string>>;
  /** Seconds, for an issuer that gives no lifetime. */
  /** Origins and patterns that a redirect may lead to, without anything of the credential's. */
  readonly follow?: readonly string[];
  /** Where the token goes beside headers. */
  readonly placement?: Placement;
  readonly ttl?: number;
  /** Overrides what the issuer says of its tokens' life. */
  readonly lifetime?: LifetimeSetting;
  readonly warm: "used" | "always";
  readonly verify?: { readonly method: string; readonly url: string };
  /** PEM text of `ca_file`. */
  readonly ca?: string;
  readonly allowInsecureHttp: boolean;
  /** YYYY-MM-DD. */
  readonly secretExpires?: string;
  /** Values that templates may name. */
  readonly fields: Readonly<Record<string, string>>;
  /** The grant's own settings, as its schema returns them. */
  readonly own: unknown;
  readonly secrets: readonly SecretField[];
  /** Answers with which the issuer refuses a secret for good: `rejected_statuses`, then `rejected_on`. */
  readonly rejectedOn: readonly AnswerCondition[];
  /** Answers with which an API says that the token has expired, beside a 401; absent: none. */
  readonly renewOn?: readonly AnswerCondition[];
  /** The request that makes an account first (`add --register`). */
  readonly register?: RegisterRequest;
  /** The rules of use; undefined: every program of the daemon's own user, in every way. */
  readonly policy?: Policy;
  /** Digest of everything that decides where secrets go and who may use them. */
  readonly binding: string;
  /** The values that `binding` is a digest of, by key (see config/binding.ts). */
  readonly boundValues: BoundValues;
  /** Digests by key of the settings as they were written (see config/written.ts). */
  readonly written: Readonly<Record<string, string>>;
  /** Digest of the part of the credential's own file that is about its token request. */
  readonly writtenRequest: string;
}

/** Origins that a kept value names, if it fits one of the patterns. */
export interface KeptOrigins {
  /** Names of kept values. */
  readonly from: readonly string[];
  /** `https://*.example.com`. */
  readonly within: readonly string[];
}

/** Where each kept value stands in the issuer's answer. */
export type KeptPlaces = Readonly<Record<string, Readonly<KeptPlace>>>;

/** Parameters of the query, cookies, and members of the body; templates like those of headers. */
export interface Placement {
  readonly query?: Readonly<Record<string, string>>;
  readonly cookie?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, string>>;
}

/** A JSON request whose answer of 2xx means that the account exists now. */
export interface RegisterRequest {
  readonly url: string;
  /** Values are templates over the fields and `{secret.NAME}`. */
  readonly json: Readonly<Record<string, string>>;
  /** The secret that authd makes up if none is given. */
  readonly generates: string;
}

/** Where a store is. */
export interface StoreSettings {
  /** Without a password. */
  readonly url: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
  /** The key that lets this host in, which others have, too; absent: its vault's, and it joins by an invitation. */
  readonly keyFile?: string;
  /** Name of this host; absent: the machine's. */
  readonly host?: string;
  /** The groups that it serves; absent: all that it was let into. */
  readonly groups?: readonly string[];
}

/** `config.toml`, merged with the environment. */
export interface DaemonSettings {
  readonly vaultKey: "auto" | "keychain" | "passphrase" | "systemd-credential" | "file";
  readonly logLevel: string;
  /** URL of the proxy for issuers and APIs. */
  readonly proxy?: string;
  readonly maxConnections: number;
  /** `required`: a use or change that can't be written to the audit log is refused. */
  readonly audit?: "on" | "off" | "required";
  /** The store that this host shares with others. */
  readonly store?: StoreSettings;
  /** Credentials may run the program of `subject.exec`. */
  readonly subjectExec?: boolean;
  /** The other users who may connect. */
  readonly guests?: Guests;
  /** The group whose members can reach the socket; absent: nobody but its owner. */
  readonly socketGid?: number;
  readonly sockets?: readonly RestrictedSocket[];
  /** The file in which a textfile collector finds metrics. */
  readonly metricsFile?: string;
  /** The address at which Prometheus asks for them: loopback only. */
  readonly metricsListen?: { readonly host: string; readonly port: number };
  /** Absent: notifications are shown if there is a desktop. */
  readonly notify?: boolean;
  /** A program's absolute path, and its arguments. */
  readonly hook?: readonly string[];
  /** Time (ms) without a use after which the vault is locked. */
  readonly lockAfter?: number;
  readonly lockOn?: readonly ("suspend" | "screen")[];
}

/** A further socket, by which a few credentials can be used and nothing can be changed. */
export interface RestrictedSocket {
  readonly name: string;
  readonly path: string;
  /** Permissions. */
  readonly mode: number;
  /** Names of those that can be used. */
  readonly credentials: readonly string[];
  /** `request`: no token is handed out. */
  readonly expose: "request" | "token";
  /** Requests are GET, HEAD and OPTIONS. */
  readonly readOnly: boolean;
}

/** The content of the configuration folder. A broken file costs only its own credential. */
export interface Configuration extends CommonConfiguration {
  readonly credentials: ReadonlyMap<string, CredentialSettings>;
  readonly errors: readonly FileMistake[];
}

/** The configuration whose credential files are read one by one. */
export interface OpenConfiguration extends CommonConfiguration {
  /** Mistakes in presets. */
  readonly mistakes: readonly FileMistake[];
  /** Names that have a credential file. */
  readonly names: readonly string[];
  /** Reads a file; undefined if it is gone. */
  read(name: string): CredentialSettings | FileMistake | undefined;
}

/** What `config.toml` says. */
export interface CommonConfiguration {
  readonly daemon: DaemonSettings;
  /** Settings that every credential file is merged over. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** The keys of `config.toml` about who may use what, in one text. */
  readonly access: string;
}

/** The mistake for which a credential file, or a preset, can't be used. */
export interface FileMistake {
  readonly file: string;
  /** Absent for a preset. */
  readonly credential?: string;
  readonly message: string;
}

/** The other users who may connect. */
export interface Guests {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  /** True if they may answer the questions that programs of their own user ask. */
  readonly answerOwn?: boolean;
}
