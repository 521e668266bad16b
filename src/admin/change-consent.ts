/** Asks a person about a change that says where tokens go: of restricted credentials only. */
import type { CredentialSettings } from "../config/settings.ts";
import type { Registry } from "../credential/registry.ts";
import { ifRestricted, type Needs } from "./consent.ts";
import { type DescribedChange, describeChange } from "./describe-change.ts";

/** Asks about the changed credential, and about one whose token it exchanges: see `needSubjectConsent`. */
export function needChangeConsent(
  needs: Needs,
  registry: Pick<Registry, "isGuarded">,
  settings: CredentialSettings | undefined,
  describe: () => DescribedChange,
): void {
  needs(ifRestricted(registry, describe().name), () => describeChange(describe()));
  if (settings) needSubjectConsent(needs, registry, settings, describe);
}

/**
 * Asks about the credential whose token these settings send to an issuer of their own: its rules are not asked
 * when they do.
 */
export function needSubjectConsent(
  needs: Needs,
  registry: Pick<Registry, "isGuarded">,
  { own }: CredentialSettings,
  describe: () => DescribedChange,
): void {
  const { subject } = own as { subject?: { credential?: string } };
  if (subject?.credential === undefined) return;
  const restricted = ifRestricted(registry, subject.credential);
  needs(restricted, () => describeChange({ ...describe(), isForOther: true }));
}
