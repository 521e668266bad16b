import test from "ava";
import type { Call, ConnectionHandle } from "../../src/rpc/call.ts";
import { Subscriptions } from "../../src/rpc/subscriptions.ts";

/** A client: what it was told, and how many wait for its end. */
class Client implements ConnectionHandle {
  closed = false;
  readonly told: string[] = [];
  readonly listeners: (() => void)[] = [];

  onClose(listener: () => void): void {
    this.listeners.push(listener);
  }

  leave(): void {}

  close(): void {
    this.closed = true;
    for (const listener of this.listeners) listener();
  }

  call(): Call {
    return {
      id: 1,
      signal: new AbortController().signal,
      peer: undefined,
      connection: this,
      room: () => ({ reserve: () => undefined, keep: () => {} }),
      lastingRoom: () => ({ reserve: () => undefined, keep: () => {}, release: () => {} }),
      releasesWhenTaken: () => {},
      notify: async (name, params) => {
        if (this.closed) throw new Error("gone");
        this.told.push(`${name} ${JSON.stringify(params)}`);
      },
    };
  }
}

const renewed = (credential: string) => ({ kind: "refreshed", credential, expiresAt: 7 }) as const;

test("one hears of what it subscribed to, and of all without a name", (t) => {
  const subscriptions = new Subscriptions();
  const [one, all] = [new Client(), new Client()];
  subscriptions.add(one.call(), "a");
  subscriptions.add(all.call(), undefined);
  subscriptions.publish(renewed("a"));
  subscriptions.publish(renewed("b"));
  subscriptions.publish({ kind: "state", credential: "a", state: "idle" });
  subscriptions.publish({
    kind: "state",
    credential: "a",
    state: "changed",
    reason: "credential_changed",
  });
  t.deepEqual(one.told, [
    'token/refreshed {"credential":"a","expiresAt":7}',
    'credential/stateChanged {"credential":"a","state":"idle"}',
    'credential/stateChanged {"credential":"a","state":"changed","reason":"credential_changed"}',
  ]);
  t.is(all.told.length, 4);
});

test("unsubscribe ends one, or without a name all of them", (t) => {
  const subscriptions = new Subscriptions();
  const client = new Client();
  for (const name of ["a", "b", "c"]) subscriptions.add(client.call(), name);
  subscriptions.remove(client.call(), "a");
  for (const name of ["a", "b"]) subscriptions.publish(renewed(name));
  t.is(client.told.length, 1);
  subscriptions.remove(client.call(), undefined);
  for (const name of ["b", "c"]) subscriptions.publish(renewed(name));
  t.is(client.told.length, 1);
  subscriptions.remove(new Client().call(), "a");
});

test("a client that subscribes again and again is still one client", (t) => {
  const subscriptions = new Subscriptions();
  const client = new Client();
  for (let i = 0; i < 100; i++) {
    subscriptions.add(client.call(), "a");
    subscriptions.remove(client.call(), "a");
  }
  subscriptions.add(client.call(), "a");
  t.is(client.listeners.length, 1);
  subscriptions.publish(renewed("a"));
  t.is(client.told.length, 1);
});

test("events go to those who asked for them, and only they", (t) => {
  const subscriptions = new Subscriptions();
  const [changes, events, one] = [new Client(), new Client(), new Client()];
  subscriptions.add(changes.call(), undefined);
  subscriptions.add(events.call(), undefined, "events");
  subscriptions.add(one.call(), "a", "events");
  subscriptions.publish(renewed("a"));
  subscriptions.tell({ seq: 0, at: 7, ...renewed("a") });
  subscriptions.tell({ seq: 1, at: 8, ...renewed("b") });
  subscriptions.tell({ seq: 2, at: 9, kind: "stopping" });
  subscriptions.publish({ kind: "stopping" });
  subscriptions.publish({ kind: "refresh_failed", credential: "a", reason: "internal" });
  const seqs = ({ told }: Client) =>
    told.map((text) => JSON.parse(text.replace(/^event /, "")).seq as number);
  t.deepEqual(changes.told, ['token/refreshed {"credential":"a","expiresAt":7}']);
  t.deepEqual(seqs(events), [0, 1, 2]);
  t.deepEqual(seqs(one), [0]);
  subscriptions.add(one.call(), "a");
  subscriptions.remove(one.call(), "a");
  subscriptions.publish(renewed("a"));
  subscriptions.tell({ seq: 3, at: 9, ...renewed("a") });
  t.is(one.told.length, 1);
});

test("one that is gone is told nothing, and harms nobody", async (t) => {
  const subscriptions = new Subscriptions();
  const [gone, here] = [new Client(), new Client()];
  subscriptions.add(gone.call(), undefined);
  subscriptions.add(here.call(), undefined);
  gone.closed = true;
  subscriptions.publish(renewed("a"));
  gone.close();
  subscriptions.publish(renewed("a"));
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(gone.told, []);
  t.is(here.told.length, 2);
});
