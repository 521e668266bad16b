import type { CredentialRecord } from "../record.ts";
import type { SharedContent } from "./shared-record.ts";

/** A credential of this host, as the shared records see it. */
export interface SharedCredential {
  /** The record in memory; undefined while it can't be read. */
  readonly live: CredentialRecord | undefined;
  /** Name of the secret that is its refresh token; undefined if it has none that rotates. */
  readonly rotates: string | undefined;
  /** The refresh token that a refresh would spend; undefined if it spends none. */
  readonly refreshToken: string | undefined;
  /** True if a refresh revokes the access tokens of before. */
  readonly keepsOneToken: boolean;
  /** Returns a copy of the record with the tokens of now; undefined as `live`. */
  snapshot(): CredentialRecord | undefined;
  /**
   * Seals a record that another host has committed, and uses it from then on. `isChange`: a person changed the
   * credential there.
   */
  takeShared(next: CredentialRecord, isChange: boolean): Promise<void>;
  /** People are told something else of it. */
  changed(): void;
  /** What a person has changed on this host gave way to what `host` has committed; undefined: an earlier authd did. */
  changeLost(host: string | undefined): void;
  /** Seals the record as it is. Never rejects; false if the disk fails. */
  keep(durable: boolean): Promise<boolean>;
}

/** The credentials of this host, and what is done about those that it has not. */
export interface SharedOwner {
  find(name: string): SharedCredential | undefined;
  /** Names of the credentials of this host. */
  names(): readonly string[];
  /** Text of the credential file of this host. */
  fileOf(name: string): string | undefined;
  /** Another host has a credential that this one lacks. */
  add(name: string, content: SharedContent): Promise<void>;
  /** Another host has removed a credential. */
  remove(name: string): Promise<void>;
  /** True while nothing can be sealed. */
  readonly isLocked: boolean;
}
