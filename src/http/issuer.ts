/** Sends one request to an issuer and brings back its whole answer, or says why there is none. */
import type { Readable } from "node:stream";
import { type Clock, scheduleLong } from "../base/clock.ts";
import { parseUrl } from "../config/urls.ts";
import { AuthdError, type IssuerContact, messageOf } from "../errors.ts";
import type { IssuerRequest, IssuerResponse, SendToIssuer } from "../grants/grant.ts";
import { CODINGS, codingsOf, isKnownCoding, MOST_CODINGS, tooManyCodings } from "./codings.ts";
import { type Http, type HttpResponse, neverSent } from "./http.ts";
import type { IssuerClocks } from "./issuer-clock.ts";
import { explainNetworkError, isUnknownHost } from "./transport-error.ts";

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
  /** Learns the issuer's time from its responses; without it `sentAt` is absent. */
  clocks?: IssuerClocks;
  /** Aborts what is under way. */
  signal?: AbortSignal;
  connectTimeoutMs?: number;
  /** For the whole exchange, the answer's last byte included: 10 s unless given. */
  timeoutMs?: number;
  /** Measures `timeoutMs`; the system's timers unless given. */
  clock?: Pick<Clock, "schedule">;
  /** Cap of the answer's body, as it comes and decompressed. */
  maxBytes?: number;
}

/**
 * The sender that grants work with. The whole answer must come within `timeoutMs` and 1 MiB; redirects are
 * errors, because the request carries secrets. Rejects with AuthdError `issuer_unavailable` that
 * carries `contact`, or `credential_rejected` if nothing may be sent to that URL.
 */
export function createIssuerSend(options: IssuerSendOptions): SendToIssuer {
  const { http, credential, ca, allowInsecureHttp, clocks, signal } = options;
  const { connectTimeoutMs = 5_000, timeoutMs = 10_000, maxBytes = 1024 * 1024 } = options;
  const { clock = SYSTEM_TIMERS } = options;

  const secureUrl = (text: string) => {
    try {
      return parseUrl(text, "The address to ask", allowInsecureHttp);
    } catch (error) {
      const message = `"${credential}" can't ask for a token: ${messageOf(error)}`;
      throw new AuthdError("credential_rejected", message, { credential, contact: UNSENT });
    }
  };

  return async ({ urlKey, ...request }: IssuerRequest): Promise<IssuerResponse> => {
    const url = secureUrl(request.url);
    const unavailable = (what: string, contact: IssuerContact) =>
      new AuthdError("issuer_unavailable", `"${credential}" got no token: ${what}`, {
        credential,
        contact,
      });
    const freshConnection =
      options.freshConnection === true || clocks?.wantsFreshConnection(url.origin) === true;
    const sent = clocks?.now();
    const deadline = startDeadline(clock, timeoutMs, signal);
    try {
      const response = await http({
        ...request,
        url: url.href,
        connectTimeoutMs,
        signal: deadline.signal,
        ...(ca === undefined ? {} : { ca }),
        ...(freshConnection ? { freshConnection } : {}),
      });
      const sentAt = sent && clocks?.observe(url.origin, response, sent);
      const target = redirectTarget(response, url);
      if (target !== undefined) {
        response.body.destroy();
        const what = `${url.host} redirects to ${target}, where no secrets are sent. Put the final address into ${urlKey ?? "the settings"}.`;
        throw unavailable(what, { sent: true, answered: true, lasting: true });
      }
      return { ...(await readWhole(response, maxBytes)), ...(sentAt && { sentAt }) };
    } catch (error) {
      if (error instanceof AuthdError) throw error;
      if (error instanceof UnusableBody) throw unavailable(`${url.host} ${error.message}.`, SENT);
      const contact = neverSent(error) ? UNSENT : SENT;
      if (deadline.expired()) {
        const what = `${url.host} did not answer completely within ${timeoutMs / 1000} s; the next try may do better.`;
        throw unavailable(what, contact);
      }
      if (signal?.aborted) throw unavailable("the request was interrupted.", contact);
      const unknownHost = isUnknownHost(error);
      const why = { ...contact, ...(unknownHost && { unknownHost }) };
      throw unavailable(explainNetworkError(error, url.host), why);
    } finally {
      deadline.stop();
    }
  };
}

/** Says what is wrong with an answer's body: follows the host's name in a sentence. */
class UnusableBody extends Error {}

const SYSTEM_TIMERS: Pick<Clock, "schedule"> = {
  schedule(ms, run) {
    const timer = setTimeout(run, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

function startDeadline(clock: Pick<Clock, "schedule">, ms: number, outer: AbortSignal | undefined) {
  const controller = new AbortController();
  let expired = false;
  const abort = () => controller.abort();
  const timer = scheduleLong(clock, ms, () => {
    expired = true;
    abort();
  });
  if (outer?.aborted) abort();
  else outer?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    expired: () => expired,
    stop() {
      timer.cancel();
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

/** Undoes all codings. What they put out counts together, so that an answer costs no more than a plain one. */
async function decode(raw: Buffer, encoding: string | undefined, maxBytes: number) {
  const codings = codingsOf(encoding ?? "");
  if (codings.length > MOST_CODINGS) throw new UnusableBody(tooManyCodings(codings.length));
  let bytes = raw;
  let left = maxBytes;
  for (const coding of codings) {
    if (bytes.length === 0) break;
    if (!isKnownCoding(coding)) {
      throw new UnusableBody("sent its answer in a compression that authd does not know");
    }
    bytes = await decodeOne(bytes, coding, left, maxBytes);
    left -= bytes.length;
  }
  return bytes;
}

async function decodeOne(bytes: Buffer, coding: string, left: number, maxBytes: number) {
  const decoder = CODINGS[coding]!(bytes[0]!);
  const parts: Buffer[] = [];
  let length = 0;
  decoder.end(bytes);
  try {
    for await (const part of decoder as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > left) throw tooLong(maxBytes);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof UnusableBody) throw error;
    throw new UnusableBody("sent an answer whose compression is broken");
  }
  return Buffer.concat(parts, length);
}

function tooLong(maxBytes: number): UnusableBody {
  return new UnusableBody(`sent more than ${Math.round(maxBytes / 1024)} KiB, which is no token`);
}
