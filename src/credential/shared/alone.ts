/** Secrets that a person entered on a host of a store while its config.toml named none: they are that host's own. */

import { isDeepStrictEqual } from "node:util";
import type { CredentialSettings } from "../../config/settings.ts";
import { rotatingSecret } from "../../grants/index.ts";
import type { Trouble } from "../../protocol.ts";
import type { CredentialDeps } from "../credential-deps.ts";
import type { CredentialRecord } from "../record.ts";

/** Returns the place of such a record in a store: none, but for the group that a person has agreed to. */
export function placeAlone(group: unknown): NonNullable<CredentialRecord["shared"]> {
  const agreed = typeof group === "string" ? { group } : {};
  return { version: 0, epoch: 0, generation: 0, ...agreed, alone: true };
}

export function isAlone(record: CredentialRecord | undefined): boolean {
  return record?.shared?.alone === true;
}

/** Changes a record that is shared no more, and marks secrets that a person enters as this host's own. */
export function changeAlone(
  settings: CredentialSettings,
  change: (record: CredentialRecord) => void,
): (record: CredentialRecord) => void {
  return (record) => {
    const before = { ...record.secrets };
    change(record);
    const { shared, secrets } = record;
    if (!shared || isDeepStrictEqual(before, secrets)) return;
    const token = secrets[rotatingSecret(settings) ?? ""];
    const isOthers = !shared.alone || shared.keepsToken === true;
    const keepsToken =
      isOthers && token !== undefined && Object.values(before).includes(token)
        ? { keepsToken: true }
        : {};
    record.shared = { ...placeAlone(shared.group), ...keepsToken };
  };
}

/** Tells that other hosts have other secrets of a credential, as the store has it, too. */
export function aloneTroubles(
  { shared }: CredentialDeps,
  name: string,
  record: CredentialRecord | undefined,
): Trouble[] {
  if (!isAlone(record) || !shared?.clashes.has(name)) return [];
  return [
    {
      reason: "store",
      message: `the store has ${name}, and this host has secrets of its own for it, entered while config.toml named no store: it keeps them, and other hosts use those of the store`,
      help: `authd remove ${name} takes those of the store here; after that authd set ${name} enters others for all hosts`,
    },
  ];
}
