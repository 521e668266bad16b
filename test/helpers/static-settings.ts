import type { CredentialSettings } from "../../src/config/settings.ts";

/** Settings of a static credential that may be used at `origins`, without anything else. */
export function staticSettings(
  name: string,
  origins: readonly string[],
  more: Partial<CredentialSettings> = {},
): CredentialSettings {
  return {
    ...{ name, grant: "static", origins, headers: {}, warm: "used" },
    allowInsecureHttp: false,
    ...{ fields: {}, own: {}, secrets: [], rejectedOn: [] },
    ...{ boundValues: {}, written: {}, writtenRequest: "", binding: "" },
    ...more,
  };
}
