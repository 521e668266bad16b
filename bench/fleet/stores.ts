/** The store of a fleet: a real PostgreSQL behind an address that can be moved, and its standby. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Postgres, startPostgres, startStandby } from "../../test/helpers/postgres.ts";
import type { Bench } from "../helpers/bench.ts";
import type { StoreAddress } from "./host.ts";
import { addressOf } from "./network.ts";
import { Relay } from "./relay.ts";

const PORT = 5_432;

/** How a standby follows: commits wait for it, or do not. */
export type Following = "synchronous" | "asynchronous";

export interface FleetStore {
  readonly address: StoreAddress;
  restart(): Promise<void>;
  /** The standby gets nothing any more. */
  lag(): void;
  /** The server is gone, and the standby has its address. */
  promote(): Promise<void>;
}

/** Starts a store that hosts reach over TLS, with a standby if it is said how that follows. */
export async function startStore(bench: Bench, following?: Following): Promise<FleetStore> {
  const scope = { teardown: bench.defer };
  const names = [addressOf("store")];
  const server = await startPostgres(scope, { names });
  const { url, password } = await server.createDatabase();
  const relay = await Relay.start(addressOf("store"), PORT, server.port);
  bench.defer(() => relay.close());
  const standby = following && (await follow(bench, server, following));
  const address = `postgres://owner@${addressOf("store")}:${PORT}${new URL(url).pathname}`;
  return {
    address: { url: address, password: password!(), ca: server.ca },
    async restart() {
      await server.stop("immediate");
      await sleep(3_000);
      await server.start();
    },
    lag: () => standby?.way.move(undefined),
    async promote() {
      await server.stop("immediate");
      relay.move(undefined);
      await standby!.server.query("postgres", "SELECT pg_promote()");
      relay.move(standby!.server.port);
    },
  };
}

/** Starts a standby. With a synchronous one a commit is in force when the standby has it, too. */
async function follow(
  bench: Bench,
  server: Postgres,
  following: Following,
): Promise<{ server: Postgres; way: Relay }> {
  const way = await Relay.start("127.0.0.1", 0, server.port);
  bench.defer(() => way.close());
  const standby = await startStandby({ teardown: bench.defer }, server, way.port);
  if (following === "synchronous") {
    await server.query("postgres", "ALTER SYSTEM SET synchronous_commit = remote_apply");
    await server.query("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    await server.query("postgres", "SELECT pg_reload_conf()");
  }
  return { server: standby, way };
}
