import { whyUnfitKey } from "./client-assertion.ts";
import type { Grant } from "./grant.ts";
import { renew } from "./login/renewal.ts";
import { clientSecrets, type DeviceSettings, deviceSchema } from "./login/settings.ts";
import { addressOf } from "./token-endpoint.ts";

/** A person signs in on another device, by a code (RFC 8628). */
export const deviceCode: Grant<DeviceSettings> = {
  summary: "a person signs in on another device, by a code (OAuth)",
  schema: deviceSchema,
  secrets: clientSecrets,
  whyUnfitSecret: whyUnfitKey,
  issuerUrl: addressOf,
  acceptsTarget: () => true,
  rotates: () => "refresh_token",
  signsIn: ["device"],
  acquire: renew,
};
