import type { Policy, Rule } from "../../access/policy.ts";
import type { Configuration, CredentialSettings } from "../../config/settings.ts";
import type { CredentialInfo } from "../../protocol.ts";

/** How one credential is kept from programs. */
export interface Kept {
  name: string;
  /**
   * `request`: the token never leaves the daemon; `asked`: not without a person's yes; `rules`: to some
   * programs; `open`: to all of the daemon's user.
   */
  way: "request" | "asked" | "rules" | "open";
  /** Other users may be let in. */
  lets: boolean;
  /** Plain http is permitted beyond this machine. */
  insecure: boolean;
}

/** From the files, which say more; if those can't be read, from what the daemon tells. */
export function credentialsKept(
  configuration: Configuration | undefined,
  infos: readonly CredentialInfo[],
): Kept[] {
  return configuration ? [...configuration.credentials.values()].map(asFiled) : infos.map(asTold);
}

function asFiled({ name, policy, allowInsecureHttp: insecure }: CredentialSettings): Kept {
  return { name, way: wayOf(policy), lets: (policy?.allow ?? []).length > 0, insecure };
}

function asTold({ name, policy }: CredentialInfo): Kept {
  const { expose, confirm, allow = [], deny = [] } = policy ?? {};
  const limited = allow.length + deny.length > 0 ? "rules" : confirm ? "asked" : "open";
  const way = expose === "request" ? "request" : limited;
  return { name, way, lets: allow.length > 0, insecure: false };
}

function wayOf(policy: Policy | undefined): Kept["way"] {
  if (!policy) return "open";
  const { expose, confirm, allow, deny } = policy;
  const all = (is: (rule: Rule) => boolean) => allow.length > 0 && allow.every(is);
  if (expose === "request" || all((rule) => rule.expose === "request")) return "request";
  const asks = (one: Rule["confirm"]) => one !== undefined && one !== "never";
  const asked = allow.length === 0 ? asks(confirm) : all((rule) => asks(rule.confirm ?? confirm));
  if (asked) return "asked";
  // Methods and paths limit requests, not those who get the token.
  return allow.length + deny.length > 0 ? "rules" : "open";
}
