import type { ExecutionContext } from "ava";
import type { CredentialSettings } from "../../src/config/settings.ts";
import { withUploads } from "../../src/daemon/upload-methods.ts";
import { createHttp } from "../../src/http/http.ts";
import {
  authorizedRequest,
  type Issued,
  type RequestCredential,
} from "../../src/request/request.ts";
import type { HandlersWithoutUploads } from "../../src/rpc/call.ts";
import { ResponseStream } from "../../src/rpc/response-stream.ts";
import type { ServerOptions } from "../../src/rpc/server.ts";
import { staticSettings } from "./static-settings.ts";
import { type Answer, RawClient, startWire } from "./wire.ts";

/** A credential with a token that a 401 may renew. */
class UploadingOwner implements RequestCredential {
  readonly name = "mine";
  readonly settings: CredentialSettings;
  token: () => Issued | Promise<Issued> = () => issue("first");
  renew: () => Promise<string | undefined> = async () => undefined;

  constructor(origins: string[], more: Partial<CredentialSettings> | undefined) {
    this.settings = staticSettings(this.name, origins, more);
  }

  recordAccepted(): void {}

  async refreshAfter401(): Promise<Issued | undefined> {
    const renewed = await this.renew();
    return renewed === undefined ? undefined : issue(renewed);
  }

  async stepUp(): Promise<Issued | undefined> {
    return undefined;
  }
}

function issue(accessToken: string): Issued {
  const headers = { authorization: `Bearer ${accessToken}` };
  return { accessToken, answer: { accessToken, tokenType: "Bearer", expiresAt: null, headers } };
}

/** A server that sends requests to the API at `origin`, and a client of it that speaks lines. */
export async function startUploading(
  t: ExecutionContext,
  origin: string,
  options: Partial<ServerOptions> & {
    idleMs?: number;
    settings?: Partial<CredentialSettings>;
  } = {},
) {
  const owner = new UploadingOwner([origin], options.settings);
  const http = createHttp();
  t.teardown(() => http.close());
  const outcomes: string[] = [];
  const handlers = {
    getToken: () => owner.token() as never,
    authorizedRequest: async (params, call) => {
      try {
        const answer = await authorizedRequest(owner, http, params, {
          signal: call.signal,
          room: call.room(),
          ...(call.upload ? { upload: call.upload } : {}),
          ...(params.stream ? { stream: new ResponseStream(call, params.streamToken) } : {}),
        });
        outcomes.push(`${answer.status}`);
        return answer;
      } catch (error) {
        outcomes.push((error as { reason?: string }).reason ?? String(error));
        throw error;
      }
    },
  } as Partial<HandlersWithoutUploads> as HandlersWithoutUploads;
  const wire = await startWire(t, withUploads(handlers, options.idleMs), options);
  const client = await RawClient.open(t, wire.path);
  return {
    ...wire,
    owner,
    outcomes,
    client: new Uploader(client),
    connect: async () => new Uploader(await RawClient.open(t, wire.path)),
  };
}

/** One call after another, as a plain client makes them. */
export class Uploader {
  readonly raw: RawClient;
  #lastId = 0;
  /** Notifications that came before the last answer. */
  notes: Answer[] = [];

  constructor(raw: RawClient) {
    this.raw = raw;
  }

  /** Sends a request without waiting for its answer; returns its id. */
  send(method: string, params: object): number {
    this.raw.request(++this.#lastId, method, params);
    return this.#lastId;
  }

  /** The next answer, whatever it is to. */
  async answer(): Promise<Answer> {
    for (;;) {
      const message = (await this.raw.next()) ?? {};
      if (message.method === undefined) return message;
      this.notes.push(message);
    }
  }

  async call(method: string, params: object): Promise<Answer> {
    const id = this.send(method, params);
    const answer = await this.answer();
    if (answer.id !== id) throw new Error(`not the answer to ${id}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Opens an upload; returns its name. */
  async open(url: string, more: object = {}): Promise<string> {
    const { result, error } = await this.call("request/open", {
      ...{ credential: "mine", method: "PUT", url },
      ...more,
    });
    if (!result) throw new Error(JSON.stringify(error));
    return result.upload as string;
  }

  chunk(upload: string, seq: number, data: string | Buffer, last?: true): Promise<Answer> {
    const encoded = Buffer.from(data).toString("base64");
    return this.call("request/chunk", { upload, seq, data: encoded, ...(last ? { last } : {}) });
  }
}
