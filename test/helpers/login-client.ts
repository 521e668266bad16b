/** A login service over a test's registry, and clients of it. */
import type { ExecutionContext } from "ava";
import type { Consent } from "../../src/admin/consent.ts";
import { type LoginClient, LoginService } from "../../src/admin/login/login-service.ts";
import type { Cancellation } from "../../src/base/cancellation.ts";
import type { Notifications } from "../../src/protocol.ts";
import { adminOf, agreed } from "./admin.ts";
import type { TestRegistry } from "./test-registry.ts";

type Progress = Notifications["login/progress"];

/** A client that notes its progress, and whose person answers questions in one way. */
export class TestClient implements LoginClient {
  readonly progress: Progress["state"][] = [];
  readonly questions: string[] = [];
  readonly signal: Cancellation = new AbortController().signal;
  readonly #answer: Consent;
  readonly #closers: (() => void)[] = [];
  readonly connection = {
    closed: false,
    onClose: (listener: () => void) => void this.#closers.push(listener),
    leave: () => {},
  };

  constructor(answer: Consent = agreed) {
    this.#answer = answer;
  }

  consent(): Consent {
    return async (restricted, what = "") => {
      this.questions.push(what);
      await this.#answer(restricted, what);
    };
  }

  async notify(_: "login/progress", { state }: Progress): Promise<void> {
    this.progress.push(state);
  }

  close(): void {
    for (const listener of this.#closers) listener();
  }
}

/** Without a screen. */
export function startLoginService(t: ExecutionContext, engine: TestRegistry): LoginService {
  const { registry, clock, time, events } = engine;
  const { admin } = adminOf(engine);
  const service = new LoginService({
    ...{ registry, clock, time, changes: admin.changes, env: {} },
    onEvent: (event) => void events.push(event),
  });
  t.teardown(() => service.close());
  return service;
}
