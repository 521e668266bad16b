import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Access } from "../access/access.ts";
import { resultInJson, toJson } from "../base/json-text.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError } from "../errors.ts";
import type { CredentialInfo, Results } from "../protocol.ts";
import type { Call } from "../rpc/call.ts";
import { JsonPieces, SparePieces } from "./json-pieces.ts";

/** Time (ms) for which a list is made before others have their turn. */
const SLICE_MS = 0.1;
/**
 * After a list for the daemon's user, or for others, no other one is made for so many times as long as its slices took:
 * lists that take up to 100 ms have less than a tenth of the thread.
 */
const REST = 10;
/** The longest time (ms) for which none is made. */
const MAX_REST_MS = 1_000;
/** Lists that one other user may wait for. */
const MAX_WAITING_OF_GUEST = 4;

type List = Results["credentials/list"];

/** A list, and how long its slices took together, ms. */
interface Made {
  json: JsonPieces;
  tookMs: number;
}

/** A list for all calls that have asked before it was begun. */
interface Shared {
  json: Promise<JsonPieces>;
  /** Calls whose answers the system has not taken. */
  calls: number;
}

/**
 * Answers `credentials/list`. With 10,000 credentials that takes a tenth of a second: it is done in
 * slices, JSON included, one list at a time, and who asks while one is made shares the next.
 */
export class Listing {
  readonly #registry: Registry;
  readonly #access: Access;
  /** Resolves when the next list may be made: the daemon's user does not wait behind others. */
  readonly #last = {
    own: Promise.resolve() as Promise<unknown>,
    guests: Promise.resolve() as Promise<unknown>,
  };
  /** Lists that wait or are made, by uid. */
  readonly #waiting = new Map<number | undefined, number>();
  /** A list for the daemon's own user that has not begun. */
  #next: Shared | undefined;
  readonly #spare = new SparePieces();

  constructor(registry: Registry, access: Access) {
    this.#registry = registry;
    this.#access = access;
  }

  list(call: Call): Promise<List> {
    if (!this.#access.isDaemonUser(call)) {
      return this.#forGuest(call);
    }
    this.#next ??= this.#inTurn("own", () => {
      this.#next = undefined;
      return this.#make(this.#registry.sortedNames(), true);
    });
    return answer(this.#next);
  }

  async #forGuest(call: Call): Promise<List> {
    const uid = call.peer?.uid;
    const waiting = this.#waiting.get(uid) ?? 0;
    if (waiting >= MAX_WAITING_OF_GUEST) throw tooMany();
    this.#waiting.set(uid, waiting + 1);
    try {
      const made = this.#inTurn("guests", () =>
        this.#make(visibleTo(this.#registry, this.#access, call), false),
      );
      return await answer(made);
    } finally {
      const left = (this.#waiting.get(uid) ?? 1) - 1;
      if (left > 0) this.#waiting.set(uid, left);
      else this.#waiting.delete(uid);
    }
  }

  #inTurn(whose: "own" | "guests", make: () => Promise<Made>): Shared {
    const made = this.#last[whose].then(make);
    this.#last[whose] = made.then(
      ({ tookMs }) => sleep(Math.min(REST * tookMs, MAX_REST_MS), undefined, { ref: false }),
      () => {},
    );
    return { json: made.then(({ json }) => json), calls: 0 };
  }

  async #make(names: readonly string[], isOwn: boolean): Promise<Made> {
    const json = new JsonPieces(this.#spare);
    json.add('{"credentials":[');
    let separator = "";
    let startedAtMs = performance.now();
    let tookMs = 0;
    for (const name of names) {
      // It may have been removed meanwhile.
      if (this.#registry.hasAny(name)) {
        json.add(separator + toJson(infoFor(this.#registry.info(name), isOwn)));
        separator = ",";
      }
      const sliceMs = performance.now() - startedAtMs;
      if (sliceMs < SLICE_MS) continue;
      tookMs += sliceMs;
      await turn();
      startedAtMs = performance.now();
    }
    json.add("]}");
    tookMs += performance.now() - startedAtMs;
    return { json, tookMs };
  }
}

/** Answers one more call with a list. Its memory is used again when the system has taken all answers. */
async function answer(shared: Shared): Promise<List> {
  shared.calls++;
  const json = await shared.json;
  const onTaken = () => {
    if (--shared.calls === 0) json.release();
  };
  return resultInJson({ pieces: json.pieces, onTaken });
}

function tooMany(): AuthdError {
  const message = "Too many lists are being made for this user: wait for their answers first.";
  return new AuthdError("too_busy", message, { retryAfterMs: 1_000 });
}

/** Returns the sorted names of what another user may use; nothing of those whose files are broken. */
export function visibleTo(registry: Registry, access: Access, call: Call): string[] {
  const visible = registry.all().filter((credential) => access.mayUse(credential, call));
  return visible.map(({ name }) => name).toSorted();
}

/** Leaves out, for other users, who else may use a credential. */
export function infoFor(info: CredentialInfo, isOwn: boolean): CredentialInfo {
  if (isOwn) return info;
  const { policy: _, candidate: _candidate, login, ...shown } = info;
  return login ? { ...shown, login: { how: login.how } } : shown;
}
