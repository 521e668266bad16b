import { emitKeypressEvents } from "node:readline";
import { type Client, connect } from "../../client.ts";
import { messageOf } from "../../errors.ts";
import { line as eventLine } from "../events.ts";
import { columns } from "../output.ts";
import { sheet } from "../show.ts";
import { painter } from "../style.ts";
import { Feed } from "./feed.ts";
import { drawScreen } from "./screen.ts";
import { type Action, type Key, View } from "./view.ts";

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
/** How often (ms) the screen is drawn, as times pass. */
const DRAW_MS = 1_000;
/** How often (ms) the daemon is asked: counters and last uses change without a notification. */
const LOOK_MS = 2_000;
/** Changes within this time (ms) of the first are read together. */
const GATHER_MS = 100;
/** Events that a story shows. */
const STORY_EVENTS = 100;

/**
 * Shows `status --watch` on a terminal's alternate screen, until `q` or Ctrl-C. It stays when the daemon
 * goes away, and goes on when it is back.
 */
export async function watch(): Promise<void> {
  const client = connect();
  const view = new View();
  const feed = new Feed(client, view);
  const screen = new Screen(view);
  const look = oneAtATime(async () => {
    await feed.look();
    screen.draw();
  });
  const soon = gathered(look, GATHER_MS);
  const changed = ({ credential }: { credential: string }) => {
    feed.change(credential);
    soon();
  };
  client.onNotification("token/refreshed", changed);
  client.onNotification("credential/stateChanged", changed);
  screen.enter();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(0));
  }
  process.once("exit", () => screen.leave());
  process.stdout.on("resize", () => screen.draw());
  const done = new Promise<void>((resolve) => {
    screen.onKey = async (key) => {
      const action = view.press(key);
      screen.draw();
      if (action === "quit") return resolve();
      if (action) await act(action, { client, view, screen, look });
    };
  });
  await look();
  client.subscribe().catch(() => {});
  const timers = [
    setInterval(() => screen.draw(), DRAW_MS),
    setInterval(() => void look(), LOOK_MS),
  ];
  await done;
  for (const timer of timers) clearInterval(timer);
  screen.leave();
  client.close();
}

interface Watch {
  client: Client;
  view: View;
  screen: Screen;
  look: () => Promise<void>;
}

/** Does what a key asks for, and says on the screen what became of it. */
async function act(action: Exclude<Action, "quit">, { client, view, screen, look }: Watch) {
  const credential = view.story?.name ?? view.selected?.name;
  try {
    if (action === "approve") await screen.lend(approve);
    else if (credential === undefined) return;
    else if (action === "renew") {
      view.message = `${credential}: asking the issuer …`;
      screen.draw();
      await client.request("credentials/refresh", { credential });
      view.message = `${credential} is renewed.`;
    }
    if (credential !== undefined && (action === "story" || view.story)) {
      view.story = await story(client, credential);
      if (action === "story") view.top = 0;
    }
  } catch (error) {
    view.message = messageOf(error);
  }
  await look();
}

async function approve(): Promise<void> {
  const { askHere } = await import("../approve-here.ts");
  await askHere({ only: undefined, stay: false });
}

/** Reads what `show` says of a credential, and what happened to it lately, the newest first. */
async function story(client: Client, credential: string) {
  const paint = painter(process.stdout);
  const info = await client.request("credentials/show", { credential });
  const { events } = await client.request("events", { credential });
  const lately = events.slice(-STORY_EVENTS).reverse();
  const lines = [
    ...sheet(info, Date.now(), paint, columns()),
    "",
    paint("bold", "What happened"),
    ...lately.map((event) => `  ${eventLine(event, paint)}`),
  ];
  return { name: credential, lines };
}

/** The terminal's alternate screen and its keys. */
class Screen {
  onKey: (key: Key) => void = () => {};
  readonly #view: View;
  readonly #paint = painter(process.stdout);
  #isOurs = false;

  constructor(view: View) {
    this.#view = view;
    emitKeypressEvents(process.stdin);
    process.stdin.on("keypress", (_text, key: Key) => {
      if (this.#isOurs) this.onKey(key);
    });
  }

  enter(): void {
    this.#isOurs = true;
    process.stdin.setRawMode?.(true);
    process.stdin.resume();
    process.stdout.write(ENTER);
  }

  /** Gives the terminal its own screen, cursor and keys back. */
  leave(): void {
    if (!this.#isOurs) return;
    this.#isOurs = false;
    process.stdout.write(LEAVE);
    process.stdin.setRawMode?.(false);
    process.stdin.pause();
  }

  /** Gives the terminal back for as long as `work` runs. */
  async lend(work: () => Promise<void>): Promise<void> {
    this.leave();
    try {
      await work();
    } finally {
      this.enter();
    }
  }

  draw(): void {
    if (!this.#isOurs) return;
    // A terminal that does not know its size says 0.
    const size = { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
    const lines = drawScreen(this.#view, Date.now(), size, this.#paint);
    // Home, each line with its rest erased, then everything below: no flicker, no leftovers.
    process.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
  }
}

/** Runs `work` once more after it has ended, if it was called while it ran. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let isWanted = false;
  const run = async () => {
    do {
      isWanted = false;
      await work();
    } while (isWanted);
    running = undefined;
  };
  return () => {
    isWanted = true;
    running ??= run();
    return running;
  };
}

/** Calls `work` once, `ms` after the first of several calls. */
function gathered(work: () => Promise<void>, ms: number): () => void {
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(() => {
      isWaiting = false;
      void work();
    }, ms);
  };
}
