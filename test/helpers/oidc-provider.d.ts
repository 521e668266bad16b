/** As much of oidc-provider as the tests use: it ships without types. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  interface Context {
    body: unknown;
    oidc: {
      client: { clientId: string };
      params: Record<string, string | undefined>;
      entity(name: string, value: unknown): void;
    };
  }
  interface Stored {
    expiration: number;
    save(): Promise<string>;
  }
  interface AccessToken extends Stored {
    grantId: string;
    destroy(): Promise<void>;
  }
  interface Grant extends Stored {
    addOIDCScope(scope: string): void;
  }
  export class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>);
    readonly AccessToken: {
      new (properties: Record<string, unknown>): AccessToken;
      find(token: string): Promise<AccessToken | undefined>;
    };
    readonly RefreshToken: new (
      properties: Record<string, unknown>,
    ) => Stored;
    readonly Grant: new (
      properties: Record<string, unknown>,
    ) => Grant;
    registerGrantType(
      name: string,
      handler: (context: Context) => Promise<void>,
      parameters: readonly string[],
    ): void;
    on(event: "access_token.saved", listener: (token: AccessToken) => void): void;
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
  }
  export const errors: { InvalidGrant: new (description: string) => Error };
}
