import { join } from "node:path";
import type { Access } from "../access/access.ts";
import type { ApprovalService } from "../access/approvals/approval-service.ts";
import { createAccess } from "../access/create-access.ts";
import type { Identities } from "../access/identity/identity.ts";
import { Audit } from "../audit/audit.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { version } from "../base/version.ts";
import { hostOf } from "../config/config.ts";
import { stateDir } from "../config/directories.ts";
import type { RestrictedSocket } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { vaultLockInterceptor } from "../lock/vault-lock-interceptor.ts";
import type { StatusResult } from "../protocol.ts";
import type { Handlers } from "../rpc/call.ts";
import { compose } from "../rpc/compose.ts";
import { CpuBudgets } from "../rpc/cpu-budget.ts";
import { assertWelcome, isWelcome } from "../rpc/peer.ts";
import { createServer, type Server } from "../rpc/server.ts";
import { defaultSocketPath, type Listening, listen } from "../rpc/socket.ts";
import { allReadInterceptor } from "./all-read-interceptor.ts";
import { callerInterceptor } from "./caller-interceptor.ts";
import type { Core } from "./core.ts";
import { serverLimits } from "./fd-limit.ts";
import type { FleetService } from "./fleet/fleet-service.ts";
import type { Foundation } from "./foundation.ts";
import { methods } from "./methods.ts";
import { Signal } from "./signal.ts";
import { withUploads } from "./upload-methods.ts";

/** Everything that clients meet: who they are and what they may do, the audit log, and the server. */
export class Front {
  readonly approvals: ApprovalService;
  readonly audit: Audit;
  readonly server: Server;
  /** A client wants the daemon to end. */
  readonly endRequested = new Signal();
  readonly #foundation: Foundation;
  readonly #core: Core;
  readonly #access: Access;
  readonly #identities: Identities;
  readonly #budgets = new CpuBudgets();
  #fleet: FleetService | undefined;

  /** Loads what metrics need, where they are configured. */
  static async create(foundation: Foundation, core: Core): Promise<Front> {
    return new Front(foundation, core, await core.observer.metricsInterceptor());
  }

  private constructor(
    foundation: Foundation,
    core: Core,
    metrics: Awaited<ReturnType<Core["observer"]["metricsInterceptor"]>>,
  ) {
    this.#foundation = foundation;
    this.#core = core;
    const { access, approvals, identities } = this.#createAccess();
    this.#access = access;
    this.approvals = approvals;
    this.#identities = identities;
    this.audit = this.#createAudit();
    const { lock, registry } = core;
    const interceptors = [
      metrics,
      this.audit.interceptor,
      allReadInterceptor(registry),
      vaultLockInterceptor(lock, registry, access),
      callerInterceptor(access, approvals, registry),
    ];
    this.server = this.#createServer(withUploads(compose(interceptors, this.#methods())));
    this.#listenBelow();
  }

  #listenBelow(): void {
    const { rebuilt, welcome } = this.#foundation;
    const { queue } = this.approvals;
    this.#core.auditTokenFile = (name, issued) => this.audit.noteTokenFile(name, issued);
    rebuilt.on(({ isSuspect }) => {
      if (isSuspect) this.audit.note({ event: "daemon", outcome: "manifest_rebuilt" });
    });
    this.#core.locked.on(() => queue.forgetAll());
    this.#core.changed.on(({ kind, credential }) => {
      // A browser may end a sign-in that no client waits for any more.
      if (kind === "signed_in") this.audit.note({ event: "change", credential, outcome: kind });
      if (kind === "reloaded") this.server.dismiss((peer) => isWelcome(peer, welcome.guests));
      // A person's answers were about the rules before the change.
      if (credential !== undefined) queue.forgetAbout(credential);
    });
  }

  #createAccess() {
    const { env, clock, log, vault, welcome } = this.#foundation;
    const { admin, lock, observer } = this.#core;
    return createAccess({
      ...{ env, clock, log, admin },
      passphrase: () =>
        vault.keySource === "passphrase"
          ? (given, { peer }) => lock.isPassphrase(given, peer)
          : undefined,
      guestsAnswer: () => welcome.guests?.answerOwn === true,
      onNoPrompt: (question, text) => observer.onQuestion(question, text),
      onAudit: (question, answer) => this.audit.noteQuestion(question, answer),
      lookUp: (look) => this.#budgets.onceAConnection(look),
    });
  }

  #createAudit(): Audit {
    const { env, clock, log, vault, configuration, events } = this.#foundation;
    return new Audit({
      ...{ identities: this.#identities, log, now: clock.wall, bootId: clock.bootId },
      path: join(stateDir(env), "audit.log"),
      mode: configuration.daemon.audit ?? "on",
      host: () => this.#core.shared && hostOf(this.#core.shared.settings),
      derive: (purpose) => vault.derive(purpose),
      onProblem: (message) => {
        this.#core.auditProblem = message;
        if (message === undefined) events.emit({ kind: "audit_written" });
        else events.emit({ kind: "audit_failed", message });
      },
    });
  }

  /** Listens on a socket by which a few credentials can be used. Rejects with AuthdError. */
  async listenRestricted(restriction: RestrictedSocket): Promise<Listening> {
    if (process.platform === "win32") {
      const text = "restricted sockets are not there on Windows";
      throw new AuthdError("request_failed", text);
    }
    const { welcome } = this.#foundation;
    const server = this.server.another((socket) =>
      this.audit.auditConnect(socket, () => assertWelcome(socket, welcome.guests, restriction)),
    );
    return await listen(server, restriction.path, { mode: restriction.mode });
  }

  #methods() {
    const { http } = this.#foundation;
    const { registry, admin, backup, logins, tokenFiles, lock, subscriptions, observer } =
      this.#core;
    return methods({
      ...{ registry, admin, backup, logins, tokenFiles, http, subscriptions, lock },
      ...{ access: this.#access, approvals: this.approvals },
      fleet: () => this.#fleetService(),
      status: () => this.#status(),
      health: () => this.#core.health(),
      auditHead: () => this.audit.head(),
      events: (query) => observer.events(query),
      shutdown: this.endRequested.emit,
    });
  }

  /** Made when it is first asked for: most daemons share no store. */
  async #fleetService(): Promise<FleetService> {
    const { FleetService: Service } = await import("./fleet/fleet-service.ts");
    this.#fleet ??= new Service(this.#foundation, this.#core);
    return this.#fleet;
  }

  #createServer(handlers: Handlers): Server {
    const { log, configuration, welcome } = this.#foundation;
    return createServer({
      ...{ handlers, log, budgets: this.#budgets },
      authorize: (socket) =>
        this.audit.auditConnect(socket, () => assertWelcome(socket, welcome.guests)),
      admission: {
        mayAsk: (client) => this.#access.mayUseAny(this.#core.registry.all(), client),
        refused: (client, asked) => this.audit.refused(client, asked),
      },
      limits: serverLimits(configuration.daemon.maxConnections, log),
    });
  }

  #status(): StatusResult {
    const { env, startedAt, vault, configuration } = this.#foundation;
    const { socketProblems, registry, observer, lock, logind, issuerClocks } = this.#core;
    return {
      ...{ version, pid: process.pid, startedAt, socket: defaultSocketPath(env) },
      vaultKey: vault.keySource,
      credentials: registry.size,
      connections: this.server.connections,
      pendingRefreshes: registry.pendingRefreshes,
      unsaved: registry.unsaved,
      ...observer.overview(),
      lock: { ...lock.status, on: logind.status },
      ...omitUndefined({
        sockets: configuration.daemon.sockets?.map(({ name, path }) => {
          return { name, path, ...omitUndefined({ problem: socketProblems.get(name) }) };
        }),
      }),
      approvals: this.approvals.promptLocation,
      clock: issuerClocks.compare(),
    };
  }
}
