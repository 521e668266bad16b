import { type Check, ok } from "./finding.ts";

/** Who is asked where rules want a person's yes? */
export const checkApprovals: Check = ({ daemon, credentials }) => {
  const asking = credentials.filter(({ policy }) => policy?.confirm !== undefined);
  if (!daemon?.approvals || asking.length === 0) return [];
  const which = asking.map(({ name }) => name).join(", ");
  const limit = daemon.vaultKey === "passphrase" ? "" : WITHOUT_PASSPHRASE;
  return [ok("approvals", `${which}: ${PLACES[daemon.approvals]}${limit}`)];
};

const WITHOUT_PASSPHRASE =
  ". Without a passphrase of the vault, a program of yours that gets itself a terminal can answer, too";

const PLACES = {
  desktop: "a dialog on the desktop asks you",
  terminal: "no dialog; authd approve asks you, in a terminal",
} as const;
