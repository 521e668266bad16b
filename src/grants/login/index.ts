/** How a person signs in: what the daemon's login service is made of. */
export {
  type AuthorizationRequest,
  authorizationRequest,
} from "./authorization-request.ts";
export { answers, codeIn } from "./authorization-response.ts";
export { exchangeCode, type SignedIn } from "./code-exchange.ts";
export { deregisterClient } from "./deregistration.ts";
export { authorizeDevice, type DeviceAuthorization, type Pace, pollDevice } from "./device-flow.ts";
export { discover } from "./discovery.ts";
export type { Account } from "./id-token.ts";
export { introspect } from "./introspection.ts";
export {
  addressesOf,
  foreignEndpoints,
  type IssuerMetadata,
  usesAliases,
  withEndpoints,
} from "./metadata.ts";
export { isAtRedirectUri, type RedirectUri, readRedirectUri, withPort } from "./redirect-uri.ts";
export { ownClient, type RegisteredClient, registerClient } from "./registration.ts";
export { assertFit, type ResourceMetadata, readResourceMetadata } from "./resource-metadata.ts";
export { revoke } from "./revocation.ts";
export type { LoginContext } from "./settings.ts";
