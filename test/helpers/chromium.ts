/** A real headless Chromium, driven over the Chrome DevTools Protocol through a pipe. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { ExecutionContext } from "ava";
import { temporaryFolder } from "./folder.ts";
import { until } from "./until.ts";

type Params = Record<string, unknown>;

interface Message {
  id?: number;
  method?: string;
  sessionId?: string;
  params?: Params;
  result?: Params;
  error?: { message: string };
}

interface Complaint {
  text: string;
  url?: string;
}

const ENDED = { error: { message: "the browser has ended" } };

/** Messages are JSON, each ended by a NUL. */
class Connection {
  readonly #out: Writable;
  readonly #waiting = new Map<number, (message: Message) => void>();
  /** Complaints of pages: errors, and what their policies forbid. */
  readonly complaints: Complaint[] = [];
  #lastId = 0;
  #hasEnded = false;

  constructor({ stdio }: ChildProcess) {
    this.#out = stdio[3] as Writable;
    // Told by the other pipe's end.
    this.#out.on("error", () => {});
    let rest = "";
    const answers = stdio[4] as Readable;
    answers.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\0");
      rest = parts.pop() ?? "";
      for (const part of parts) this.#receive(JSON.parse(part));
    });
    answers.once("close", () => this.#end());
  }

  /** A browser that ends, also one that was told to close, may leave calls without an answer. */
  #end(): void {
    this.#hasEnded = true;
    for (const answer of this.#waiting.values()) answer(ENDED);
    this.#waiting.clear();
  }

  async call(method: string, params: Params = {}, sessionId?: string): Promise<Params> {
    const id = ++this.#lastId;
    if (this.#hasEnded) throw new Error(`${method}: ${ENDED.error.message}`);
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#out.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    const { result = {}, error } = await answered;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  #receive(message: Message): void {
    if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
    const { entry } = (message.params ?? {}) as { entry?: Complaint & { level: string } };
    if (message.method === "Log.entryAdded" && entry?.level === "error")
      this.complaints.push(entry);
  }
}

/** One tab. */
export class Tab {
  readonly #connection: Connection;
  readonly #session: string;

  constructor(connection: Connection, session: string) {
    this.#connection = connection;
    this.#session = session;
  }

  /** Complaints about what came from an origin, but for icons that browsers look for by themselves. */
  complaintsAbout(origin: string): string[] {
    const ours = this.#connection.complaints.filter(({ url = "" }) => url.startsWith(origin));
    return ours.filter(({ url }) => !url?.endsWith("/favicon.ico")).map(({ text }) => text);
  }

  async open(url: string): Promise<void> {
    await this.#connection.call("Page.navigate", { url }, this.#session);
  }

  /** Returns the value of an expression in the page; undefined while the page is being replaced. */
  async read(expression: string): Promise<unknown> {
    const params = { expression, returnByValue: true };
    const answer = await this.#connection
      .call("Runtime.evaluate", params, this.#session)
      .catch(() => ({}));
    return ((answer as Params).result as Params | undefined)?.value;
  }

  /** The address bar's, also where the page could not be loaded. */
  async address(): Promise<string> {
    const history = await this.#connection.call("Page.getNavigationHistory", {}, this.#session);
    const { currentIndex, entries } = history as {
      currentIndex: number;
      entries: { url: string }[];
    };
    return entries[currentIndex]?.url ?? "";
  }

  /** Waits until an expression holds in the page. */
  async until(expression: string): Promise<void> {
    await until(async () => (await this.read(expression)) === true, { message: expression });
  }

  /** Types into the fields of a form as a person does, and presses the button. */
  async submit(fields: Record<string, string>, button: string): Promise<void> {
    for (const [name, text] of Object.entries(fields)) {
      await this.read(`document.querySelector('[name="${name}"]').focus()`);
      await this.#connection.call("Input.insertText", { text }, this.#session);
    }
    await this.read(`document.querySelector(${JSON.stringify(button)}).click()`);
  }
}

/** Starts a browser with a profile of its own, and opens a tab. */
export async function startChromium(t: ExecutionContext): Promise<Tab> {
  const profile = temporaryFolder(t);
  const child = spawn(
    "chromium",
    [
      ...["--headless=new", "--remote-debugging-pipe", `--user-data-dir=${profile}`],
      ...["--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"],
      // It refuses to run as root with its sandbox.
      ...(process.geteuid?.() === 0 ? ["--no-sandbox"] : []),
      "about:blank",
    ],
    // A process group of its own, so that its children end with it.
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true },
  );
  t.teardown(async () => {
    const ended = child.exitCode === null ? once(child, "close") : undefined;
    await connection.call("Browser.close").catch(() => {});
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // All of them have ended.
    }
    await ended;
  });
  const connection = new Connection(child);
  const { targetId } = await connection.call("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await connection.call("Target.attachToTarget", { targetId, flatten: true });
  const session = String(sessionId);
  for (const domain of ["Page", "Runtime", "Log"]) {
    await connection.call(`${domain}.enable`, {}, session);
  }
  return new Tab(connection, session);
}
