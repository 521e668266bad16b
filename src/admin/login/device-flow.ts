/** Signs in on another device: polls the issuer until the person is done (RFC 8628). */
import { scheduleLong, type Timer } from "../../base/clock.ts";
import { omitUndefined } from "../../base/omit-undefined.ts";
import {
  authorizeDevice,
  type DeviceAuthorization,
  type Pace,
  pollDevice,
} from "../../grants/login/index.ts";
import { assertSecurePage, contextNow, type Flow, type FlowHost } from "./flow.ts";

/** The longest that a device code is polled for, whatever the issuer says. */
const MAX_LIFE_MS = 30 * 60_000;

export async function deviceFlow(host: FlowHost): Promise<Flow> {
  const authorization = await authorizeDevice(contextNow(host));
  const { userCode, verificationUri, verificationUriComplete, expiresInMs } = authorization;
  for (const page of [verificationUri, verificationUriComplete ?? verificationUri])
    assertSecurePage(host.start, page, "The issuer's verification_uri");
  const polling = new Polling(host, authorization);
  const { intervalMs } = authorization;
  polling.next({ intervalMs, waitMs: intervalMs });
  return {
    shown: {
      ...{ userCode, verificationUri, expiresInMs: Math.min(expiresInMs, MAX_LIFE_MS) },
      ...omitUndefined({ verificationUriComplete }),
    },
    close: () => polling.stop(),
  };
}

class Polling {
  readonly #host: FlowHost;
  readonly #authorization: DeviceAuthorization;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(host: FlowHost, authorization: DeviceAuthorization) {
    this.#host = host;
    this.#authorization = authorization;
  }

  next(pace: Pace): void {
    if (this.#isStopped) return;
    this.#timer = scheduleLong(this.#host.clock, pace.waitMs, () => void this.#poll(pace));
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #poll(pace: Pace): Promise<void> {
    const { time, start } = this.#host;
    const sent = time.now();
    try {
      const polled = await pollDevice(contextNow(this.#host), this.#authorization, pace);
      if (this.#isStopped) return;
      if (!("signedIn" in polled)) {
        if (polled.isSlowedDown) this.#host.progress("slow_down");
        this.next(polled);
        return;
      }
      const { signedIn } = polled;
      this.#host.progress("exchanging");
      await this.#host.complete({ signedIn, start, sent, answered: time.now() });
    } catch (error) {
      this.#host.fail(error);
    }
  }
}
