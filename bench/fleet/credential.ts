/** One shared credential, and what is known of its session from the issuer's side. */
import type { Client } from "../../src/client.ts";
import type { Family, RotatingIssuer, Seen } from "../helpers/rotating-issuer.ts";
import type { FleetHost } from "./host.ts";

export class FleetCredential {
  readonly name: string;
  readonly issuer: RotatingIssuer;
  readonly #graceSeconds: number;
  #family: Family;
  #signIns = 0;
  /** Place in its family of the newest refresh token that a host has synced, as far as that is known. */
  #durable = 0;

  constructor(name: string, issuer: RotatingIssuer, graceSeconds: number) {
    this.name = name;
    this.issuer = issuer;
    this.#graceSeconds = graceSeconds;
    this.#family = this.#signIn();
  }

  get family(): Family {
    return this.#family;
  }

  async add({ client }: FleetHost): Promise<void> {
    const { grant, settings, secrets } = this.issuer.credential(this.#family);
    const grace = this.#graceSeconds > 0 ? { reuse_grace: this.#graceSeconds } : {};
    await client.request("credentials/add", {
      ...{ name: this.name, grant, secrets },
      settings: { ...settings, ...grace, allow_insecure_http: true },
    });
  }

  /** As a person does after the session was lost. */
  async enterAgain(client: Client): Promise<void> {
    this.#family = this.#signIn();
    this.#durable = 0;
    const { secrets } = this.issuer.credential(this.#family);
    await client.request("credentials/set", { credential: this.name, secrets });
  }

  /** Notes a token that a host has handed out: what came with it is sealed. False if it must not have been. */
  isGood(accessToken: string, askedAt: number): boolean {
    const access = this.issuer.access.get(accessToken);
    if (!access || access.expiresAt <= askedAt) return false;
    if (access.family === this.#family) this.#note(access.refreshToken);
    return true;
  }

  /** True if an access token came with `other` or after it, in the session of now. */
  isSince(accessToken: string, other: string): boolean {
    const places = [accessToken, other].map((token) => {
      const access = this.issuer.access.get(token);
      return access?.family === this.#family ? this.#placeOf(access.refreshToken) : -1;
    });
    return places[0]! >= places[1]! && places[1]! >= 0;
  }

  /** True if the issuer made an access token after that time (wall clock, ms). */
  isMadeAfter(accessToken: string, ms: number): boolean {
    return (this.issuer.access.get(accessToken)?.madeAt ?? 0) > ms;
  }

  /** Notes what a host has on its disk. */
  lookAt(host: FleetHost): void {
    const token = host.refreshTokenOf(this.name);
    if (token !== undefined) this.#note(token);
  }

  /** True if no host has a refresh token any more that one of them had synced. */
  isForgotten(hosts: readonly FleetHost[]): boolean {
    const places = hosts.map((host) => this.#placeOf(host.refreshTokenOf(this.name)));
    return Math.max(...places) < this.#durable;
  }

  /** What the issuer saw of it, in all of its sessions. */
  get seen(): Seen[] {
    return this.issuer.seen.filter(({ family }) => family.replace(/-\d+$/, "") === this.name);
  }

  #note(token: string): void {
    this.#durable = Math.max(this.#durable, this.#placeOf(token));
  }

  #placeOf(token: string | undefined): number {
    return token === undefined ? -1 : this.#family.refreshTokens.indexOf(token);
  }

  #signIn(): Family {
    return this.issuer.signIn(`${this.name}-${this.#signIns++}`);
  }
}
