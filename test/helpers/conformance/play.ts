import { setTimeout as pause } from "node:timers/promises";
import { differences } from "../like.ts";
import type { Scope } from "../scope.ts";
import { until } from "../until.ts";
import type { Case, Step, Writing } from "./case.ts";
import type { Driver } from "./driver.ts";
import { type Message, type Reach, ScriptedServer, short } from "./scripted-server.ts";

/** The number of the `connect` that every case begins with. */
const CONNECT = 0;

/** Plays a case to a client that may be told anything by the server. Rejects if the client is at fault. */
export async function play(
  t: Scope,
  driver: Driver,
  { steps }: Case,
  reach?: Reach,
): Promise<void> {
  const server = await ScriptedServer.start(t, reach);
  const run = new Run(driver, server);
  await run.connect(steps);
  for (const step of steps) await run.step(step);
  await run.end();
}

/** Plays a case that has commands and expectations alone to the daemon at `socket`. */
export async function playAt(socket: string, driver: Driver, { steps }: Case): Promise<void> {
  driver.command({ call: CONNECT, do: "connect", socket });
  await driver.expect({ call: CONNECT, result: {} });
  for (const step of steps) {
    if ("client" in step) driver.command(step.client);
    else if ("expect" in step) await driver.expect(step.expect);
    else throw new Error(`not for a real daemon: ${short(step)}`);
  }
}

class Run {
  readonly #driver: Driver;
  readonly #server: ScriptedServer;
  readonly #received = new Map<string, Message>();
  readonly #uploads = new Map<string, { seq: number; came: Buffer }>();

  constructor(driver: Driver, server: ScriptedServer) {
    this.#driver = driver;
    this.#server = server;
  }

  async connect(steps: readonly Step[]): Promise<void> {
    const isConnect = (step: Step) => "client" in step && step.client.do === "connect";
    if (!steps.some(isConnect)) await this.step({ client: { call: CONNECT, do: "connect" } });
    if (!steps.some(isConnect)) await this.#driver.expect({ call: CONNECT, result: {} });
  }

  async step(step: Step): Promise<void> {
    const [kind] = Object.keys(step) as (keyof typeof STEPS)[];
    const carryOut = STEPS[kind!] as ((run: Run, step: Step) => unknown) | undefined;
    if (!carryOut) throw new Error(`no such step: ${short(step)}`);
    await carryOut(this, step);
  }

  /** Nothing may be left over. */
  async end(): Promise<void> {
    const messages = this.#server.unread.filter(({ method }) => method !== "$/cancelRequest");
    const left = [
      ...messages.map(({ method, params }) => ({ method, params })),
      ...this.#driver.unread,
    ];
    this.#driver.unread.length = 0;
    if (left.length > 0) throw new Error(`left over: ${short(left)}`);
  }

  command(step: Of<"client">): void {
    const socket = step.client.do === "connect" ? { socket: this.#server.path } : {};
    this.#driver.command({ ...step.client, ...socket });
  }

  async receive({ receive, as }: Of<"receive">): Promise<void> {
    const message = await this.#server.receive(receive);
    if (as !== undefined) this.#received.set(as, message);
  }

  async answer({ answer, cut, style, hold, ...outcome }: Of<"answer">): Promise<void> {
    const { id, connection } = this.#named(answer);
    await connection.write({ jsonrpc: "2.0", id, ...outcome }, writing({ cut, style, hold }));
  }

  async notify({ notify, params, of, cut, style, hold }: Of<"notify">): Promise<void> {
    const connection = of === undefined ? this.#server.newest : this.#named(of).connection;
    const message = { jsonrpc: "2.0", method: notify, params: this.#withIds(params) };
    await connection.write(message, writing({ cut, style, hold }));
  }

  /** Takes a request with its whole body, in one message or in parts. */
  async take({ take, as, body }: Of<"take">): Promise<void> {
    const request = await this.#requestWith(take, ["authorizedRequest", "request/open"]);
    this.#received.set(as, request);
    if (request.method === "request/open") {
      await this.#begin(as, request);
      return await this.parts({ parts: as, until: body, last: true, as });
    }
    const { body: text, bodyBase64 } = request.params as { body?: string; bodyBase64?: string };
    const came = bodyBase64 ? Buffer.from(bodyBase64, "base64") : Buffer.from(text ?? "");
    assertSame(came, body);
  }

  /** Takes the beginning of a request whose body comes in parts. */
  async open({ open, as }: Of<"open">): Promise<void> {
    const message = await this.#requestWith(open, ["request/open"]);
    this.#received.set(as, message);
    await this.#begin(as, message);
  }

  /** Takes parts, and answers all but the one with which the body is what is expected. */
  async parts({ parts, until: body, last = false, as }: Of<"parts">): Promise<void> {
    const upload = this.#uploads.get(parts)!;
    for (;;) {
      const params = { upload: parts, seq: upload.seq++ };
      const part = await this.#server.receive({ method: "request/chunk", params });
      upload.came = Buffer.concat([upload.came, Buffer.from(`${part.params.data}`, "base64")]);
      const isLast = part.params.last === true;
      if (isLast || (!last && upload.came.length >= Buffer.byteLength(body))) {
        if (isLast !== last) throw new Error("the body has ended");
        assertSame(upload.came, body);
        return void this.#received.set(as, part);
      }
      await part.connection.write({ jsonrpc: "2.0", id: part.id, result: {} });
    }
  }

  async cancelled({ cancelled }: Of<"cancelled">): Promise<void> {
    const message = this.#named(cancelled);
    await until(() => this.#server.isCancelled(message), {
      message: `${message.method} is taken back`,
    });
  }

  sameConnection({ sameConnection }: Of<"sameConnection">): void {
    const connections = new Set(sameConnection.map((name) => this.#named(name).connection));
    if (connections.size > 1) throw new Error(`${connections.size} connections`);
  }

  /** Sends many pieces of a streamed answer. */
  async chunks({ chunks, of, times }: Of<"chunks">): Promise<void> {
    const { id, connection } = this.#named(chunks);
    const data = Buffer.from(of).toString("base64");
    for (let seq = 0; seq < times; seq++)
      await connection.write({
        jsonrpc: "2.0",
        method: "response/chunk",
        params: { id, seq, data },
      });
  }

  /** Answers with a result as it is written here. */
  rawAnswer({ rawAnswer, result }: Of<"rawAnswer">): void {
    const { id, connection } = this.#named(rawAnswer);
    connection.writeJson(
      `{ "jsonrpc" : "2.0", "result" : ${result}, "id" : ${JSON.stringify(id)} }`,
    );
  }

  rawHalf({ rawHalf }: Of<"rawHalf">): void {
    const { id, connection } = this.#named(rawHalf);
    connection.writeHalf(JSON.stringify({ jsonrpc: "2.0", id, result: { accessToken: "half" } }));
  }

  /** Answers parts that still come of an upload, which has ended, as the daemon does. */
  refuse({ refuse: upload }: Of<"refuse">): void {
    this.#server.refuse({ method: "request/chunk", params: { upload } });
  }

  get server(): ScriptedServer {
    return this.#server;
  }

  get driver(): Driver {
    return this.#driver;
  }

  /** Waits for a request by one of these methods. */
  async #requestWith(params: object, methods: readonly string[]): Promise<Message> {
    const isIt = (message: Message) =>
      methods.includes(message.method) && differences(message.params, params).length === 0;
    const find = () => this.#server.unread.findIndex(isIt);
    await until(() => find() !== -1, { message: `a request with ${short(params)}` });
    return this.#server.unread.splice(find(), 1)[0]!;
  }

  /** Lets the body of a request come, as the upload of this name. */
  async #begin(upload: string, { id, connection }: Message): Promise<void> {
    this.#uploads.set(upload, { seq: 0, came: Buffer.alloc(0) });
    await connection.write({ jsonrpc: "2.0", id, result: { upload } });
  }

  #named(name: string): Message {
    const message = this.#received.get(name);
    if (!message) throw new Error(`nothing was received as ${name}`);
    return message;
  }

  #withIds(params: object): object {
    const id = (value: unknown) => {
      const { $id } = (typeof value === "object" && value ? value : {}) as { $id?: string };
      return $id === undefined ? value : this.#named($id).id;
    };
    return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, id(value)]));
  }
}

type Of<Name extends string> = Extract<Step, Record<Name, unknown>>;

function assertSame(came: Buffer, body: string): void {
  if (!came.equals(Buffer.from(body))) throw new Error(`the body is ${short(came.toString())}`);
}

function writing(given: { [Name in keyof Writing]?: Writing[Name] | undefined }): Writing {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Each kind of step, by its first member. */
const STEPS = {
  client: (run: Run, step: Of<"client">) => run.command(step),
  receive: (run: Run, step: Of<"receive">) => run.receive(step),
  answer: (run: Run, step: Of<"answer">) => run.answer(step),
  notify: (run: Run, step: Of<"notify">) => run.notify(step),
  take: (run: Run, step: Of<"take">) => run.take(step),
  open: (run: Run, step: Of<"open">) => run.open(step),
  parts: (run: Run, step: Of<"parts">) => run.parts(step),
  cancelled: (run: Run, step: Of<"cancelled">) => run.cancelled(step),
  sameConnection: (run: Run, step: Of<"sameConnection">) => run.sameConnection(step),
  message: (run: Run, { message }: Of<"message">) => run.server.newest.write(message),
  answerless: (run: Run, { answerless: error }: Of<"answerless">) =>
    run.server.newest.write({ jsonrpc: "2.0", id: null, error }),
  chunks: (run: Run, step: Of<"chunks">) => run.chunks(step),
  rawAnswer: (run: Run, step: Of<"rawAnswer">) => run.rawAnswer(step),
  rawHalf: (run: Run, step: Of<"rawHalf">) => run.rawHalf(step),
  refuse: (run: Run, step: Of<"refuse">) => run.refuse(step),
  disconnect: (run: Run) => run.server.disconnect(),
  deaf: (run: Run) => run.server.deafen(),
  stop: (run: Run) => run.server.stop(),
  start: (run: Run) => run.server.start(),
  raw: (run: Run, { raw }: Of<"raw">) => run.server.newest.raw(raw),
  pause: (_: Run, { pause: ms }: Of<"pause">) => pause(ms),
  expect: (run: Run, { expect }: Of<"expect">) => run.driver.expect(expect),
};
