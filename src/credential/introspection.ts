/** Asks the issuer what it knows of a credential's token. */
import { omitUndefined } from "../base/omit-undefined.ts";
import { introspect } from "../grants/login/index.ts";
import type { IntrospectResult } from "../protocol.ts";
import { readMetadata, usesMetadata } from "./issuer-metadata.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { issuerContext } from "./sign-in.ts";

/** Rejects with AuthdError. */
export async function introspectToken(
  life: Lifecycle,
  accessToken: string,
): Promise<IntrospectResult> {
  const { settings, stored } = life;
  const { record } = stored;
  if (!record) throw new Error(`${life.name} was not loaded`);
  const context = issuerContext(life, settings, record);
  const introspection_url = context.settings.introspection_url ?? (await addressByIssuer(life));
  const own = { ...context.settings, ...omitUndefined({ introspection_url }) };
  return await introspect({ ...context, settings: own }, accessToken);
}

/**
 * Returns the address in metadata that this credential's token requests do without. They are not sealed, so only
 * an address at the issuer's own origin counts.
 */
async function addressByIssuer({ deps, settings }: Lifecycle): Promise<string | undefined> {
  const { issuer } = settings.own as { issuer?: string };
  if (issuer === undefined || usesMetadata(settings)) return undefined;
  const { introspection_endpoint: url = "" } = await readMetadata(deps, settings, issuer);
  const isOwn = URL.canParse(url) && new URL(url).origin === new URL(issuer).origin;
  return isOwn ? url : undefined;
}
