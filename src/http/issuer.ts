/** Sends one request to an issuer and brings back its whole answer, or says why there is none. */
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { parseUrl } from "../config/urls.ts";
import { AuthdError, type IssuerContact, messageOf } from "../errors.ts";
import type { IssuerRequest, IssuerResponse, SendToIssuer } from "../grants/grant.ts";
import { type Http, type HttpResponse, neverSent } from "../http.ts";
import { describeFailure } from "./transport-error.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const UNSENT: IssuerContact = { sent: false, answered: false };
const SENT: IssuerContact = { sent: true, answered: false };

export interface IssuerSendOptions {
  http: Http;
  /** For messages. */
  credential: string;
  /** PEM text of a private CA. */
  ca?: string;
  allowInsecureHttp: boolean;
  /** Every request goes over a connection of its own: for secrets that work only once. */
  freshConnection?: boolean;
  /** Aborts what is under way. */
  signal?: AbortSignal;
  connectTimeoutMs?: number;
  /** For the whole exchange, the answer's last byte included. */
  timeoutMs?: number;
  /** Cap of the answer's body, as it comes and decompressed. */
  maxBytes?: number;
}

/**
 * The sender that grants work with. The whole answer must come within 10 s and 1 MiB; redirects are
 * errors, because the request carries secrets. Rejects with AuthdError `issuer_unavailable` that
 * carries `contact`, or `credential_rejected` if nothing may be sent to that URL.
 */
export function createIssuerSend(options: IssuerSendOptions): SendToIssuer {
  const { http, credential, ca, allowInsecureHttp, freshConnection, signal } = options;
  const { connectTimeoutMs = 5_000, timeoutMs = 10_000, maxBytes = 1024 * 1024 } = options;

  const secureUrl = (text: string) => {
    try {
      return parseUrl(text, "The address to ask", allowInsecureHttp);
    } catch (error) {
      const message = `"${credential}" can't ask for a token: ${messageOf(error)}`;
      throw new AuthdError("credential_rejected", message, { credential, contact: UNSENT });
    }
  };

  return async (request: IssuerRequest): Promise<IssuerResponse> => {
    const url = secureUrl(request.url);
    const unavailable = (what: string, contact: IssuerContact) =>
      new AuthdError("issuer_unavailable", `"${credential}" got no token: ${what}`, {
        credential,
        contact,
      });
    const deadline = startDeadline(timeoutMs, signal);
    try {
      const response = await http({
        ...request,
        url: url.href,
        connectTimeoutMs,
        signal: deadline.signal,
        ...(ca === undefined ? {} : { ca }),
        ...(freshConnection ? { freshConnection } : {}),
      });
      const target = redirectTarget(response, url);
      if (target !== undefined) {
        response.body.destroy();
        const what = `${url.host} redirects to ${target}, where no secrets are sent. Put the final address into the settings.`;
        throw unavailable(what, { sent: true, answered: true });
      }
      return await readWhole(response, maxBytes);
    } catch (error) {
      if (error instanceof AuthdError) throw error;
      if (error instanceof UnusableBody) throw unavailable(`${url.host} ${error.message}.`, SENT);
      const contact = neverSent(error) ? UNSENT : SENT;
      if (deadline.expired()) {
        const what = `${url.host} did not answer completely within ${timeoutMs / 1000} s; the next try may do better.`;
        throw unavailable(what, contact);
      }
      if (signal?.aborted) throw unavailable("the request was interrupted.", contact);
      throw unavailable(describeFailure(error, url.host), contact);
    } finally {
      deadline.stop();
    }
  };
}

/** Says what is wrong with an answer's body: follows the host's name in a sentence. */
class UnusableBody extends Error {}

function startDeadline(ms: number, outer: AbortSignal | undefined) {
  const controller = new AbortController();
  let expired = false;
  const abort = () => controller.abort();
  const timer = setTimeout(() => {
    expired = true;
    abort();
  }, ms);
  if (outer?.aborted) abort();
  else outer?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    expired: () => expired,
    stop() {
      clearTimeout(timer);
      outer?.removeEventListener("abort", abort);
    },
  };
}

/** The origin alone: the rest of a Location may carry secrets. */
function redirectTarget({ status, headers }: HttpResponse, base: URL): string | undefined {
  if (!REDIRECTS.has(status)) return undefined;
  const location = String(headers.location ?? "");
  return URL.canParse(location, base.href) ? new URL(location, base).origin : "an unknown place";
}

async function readWhole(response: HttpResponse, maxBytes: number): Promise<IssuerResponse> {
  const { status, body } = response;
  const headers = Object.fromEntries(
    Object.entries(response.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
  const raw = await readBytes(body, maxBytes);
  const bytes = await decode(raw, headers["content-encoding"], maxBytes);
  // TextDecoder drops a byte order mark.
  return { status, headers, text: new TextDecoder().decode(bytes) };
}

async function readBytes(body: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop early destroys the stream, and with it an endless answer's connection.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw tooLong(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

type Decoder = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const DECODERS: Record<string, Decoder> = {
  identity: async (bytes) => bytes,
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  br: promisify(brotliDecompress),
  // Some servers send the bare stream, without the zlib wrapper that RFC 9110 asks for.
  deflate: (bytes, options) =>
    ((bytes[0]! & 0x0f) === 8 ? promisify(inflate) : promisify(inflateRaw))(bytes, options),
};

async function decode(raw: Buffer, encoding: string | undefined, maxBytes: number) {
  let bytes = raw;
  for (const name of (encoding ?? "").toLowerCase().split(",").reverse()) {
    if (name.trim() === "" || bytes.length === 0) continue;
    const decoder = Object.hasOwn(DECODERS, name.trim()) ? DECODERS[name.trim()] : undefined;
    if (decoder === undefined) {
      throw new UnusableBody("sent its answer in a compression that authd does not know");
    }
    try {
      bytes = await decoder(bytes, { maxOutputLength: maxBytes });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLong(maxBytes);
      throw new UnusableBody("sent an answer whose compression is broken");
    }
  }
  return bytes;
}

function tooLong(maxBytes: number): UnusableBody {
  return new UnusableBody(`sent more than ${Math.round(maxBytes / 1024)} KiB, which is no token`);
}
