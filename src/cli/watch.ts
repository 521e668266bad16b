import { type Client, connect } from "../client.ts";
import { messageOf } from "../errors.ts";
import { frame, type View } from "./status-screen.ts";
import { painter } from "./style.ts";

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const TICK_MS = 1000;
/** Counters and connections change without a notification. */
const FETCH_TICKS = 5;

/**
 * `status --watch` on a terminal: a live picture on the alternate screen, until Ctrl-C. It stays
 * when the daemon goes away, and goes on when it is back.
 */
export async function watch(): Promise<void> {
  const client = connect();
  await client.subscribe();
  const view: View = { credentials: [] };
  const draw = () => paintScreen(view);
  const fetch = oneAtATime(async () => {
    await look(client, view);
    draw();
  });
  borrowScreen();
  process.stdout.on("resize", draw);
  client.onNotification("token/refreshed", fetch);
  client.onNotification("credential/stateChanged", fetch);
  fetch();
  let ticks = 0;
  setInterval(() => {
    ticks += 1;
    if (ticks % FETCH_TICKS === 0 || view.problem !== undefined) fetch();
    draw();
  }, TICK_MS);
  await new Promise(() => {});
}

/** The terminal gets its own screen and cursor back, however this process ends. */
function borrowScreen(): void {
  process.stdout.write(ENTER);
  process.once("exit", () => process.stdout.write(LEAVE));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(0));
  }
}

async function look(client: Client, view: View): Promise<void> {
  try {
    view.daemon = await client.request("status", {});
    view.credentials = (await client.request("credentials/list", {})).credentials;
    delete view.problem;
  } catch (error) {
    view.problem = messageOf(error);
  }
}

/** What is called again while it runs runs once more afterwards, however often it was called. */
function oneAtATime(work: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  return async function run() {
    again = running;
    if (running) return;
    running = true;
    await work();
    running = false;
    if (again) run();
  };
}

function paintScreen(view: View): void {
  // A terminal that does not know its size says 0.
  const size = { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
  const lines = frame(view, Date.now(), size, painter(process.stdout));
  // Home, each line with its rest erased, then everything below: no flicker, no leftovers.
  process.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\n")}\x1b[J`);
}
