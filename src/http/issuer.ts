/** Sends one request to an issuer and returns its whole response, or the error that says why there is none. */
import { isUtf8 } from "node:buffer";
import { type Clock, scheduleLong } from "../base/clock.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { version } from "../base/version.ts";
import { parseSourceUrl, parseUrl } from "../config/urls.ts";
import { AuthdError, type IssuerContact, messageOf } from "../errors.ts";
import { endpointOf } from "../grants/endpoint.ts";
import type {
  ClientCertificate,
  IssuerRequest,
  IssuerResponse,
  SendToIssuer,
} from "../grants/grant.ts";
import { collect, type DecodeLimits, decodeBody, TooLarge, UnusableContent } from "./content.ts";
import { type Http, type HttpResponse, neverSent, REDIRECT_STATUSES } from "./http.ts";
import type { IssuerClocks } from "./issuer-clock.ts";
import { explainNetworkError, isUnknownHost } from "./transport-error.ts";

const USER_AGENT = `authd/${version}`;
const UNSENT: IssuerContact = { sent: false, answered: false };
const SENT: IssuerContact = { sent: true, answered: false };

export interface IssuerSendOptions {
  http: Http;
  /** The credential's name, for messages. */
  credential: string;
  /** Secrets and tokens that no message may show. */
  hidden?: readonly string[];
  /** PEM text of a private CA. */
  ca?: string;
  /** Shown to the issuer (mutual TLS). */
  certificate?: ClientCertificate | undefined;
  allowInsecureHttp: boolean;
  /** Settings alone, and no server, say where requests go: a cloud's metadata service may be asked, too. */
  isOwnAddress?: boolean;
  /** Every request goes over a connection of its own: for secrets that work only once. */
  freshConnection?: boolean;
  /** Learns the issuer's time from its responses; without it `sentAt` is absent. */
  clocks?: IssuerClocks;
  /** Aborts the request under way. */
  signal?: AbortSignal;
  /** 5 s unless given. */
  connectTimeoutMs?: number;
  /** Limit of everything, the response's last byte included: 10 s unless given. */
  timeoutMs?: number;
  /** Measures `timeoutMs`; the system's timers unless given. */
  clock?: Pick<Clock, "schedule">;
  /** Limit of the response's body, as it comes and decompressed: 1 MiB unless given. */
  maxBytes?: number;
}

/**
 * Creates the sender that grants work with. The whole response must come within `timeoutMs` and `maxBytes`;
 * redirects are errors, because the request carries secrets. Rejects with AuthdError `issuer_unavailable`
 * that carries `contact`, or `credential_rejected` if nothing may be sent to that URL.
 */
export function createIssuerSend(given: IssuerSendOptions): SendToIssuer {
  return async (request) => {
    const url = secureUrl(given, request.url);
    const { timeoutMs = 10_000, clock = SYSTEM_TIMERS, signal } = given;
    const options = { ...given, hidden: [...(given.hidden ?? []), ...(request.hidden ?? [])] };
    const deadline = startDeadline(clock, timeoutMs, signal);
    try {
      return await send(options, request, url, deadline.signal);
    } catch (error) {
      if (error instanceof AuthdError) throw error;
      const { what, contact } = explain(error, url, {
        timedOutAfterMs: deadline.isOver() ? timeoutMs : undefined,
        isAborted: signal?.aborted === true,
      });
      throw unavailable(options, shownUrl(url, request), what, contact);
    } finally {
      deadline.stop();
    }
  };
}

/** Sends the request, and reads the response. */
async function send(
  options: IssuerSendOptions,
  { urlKey, readsRedirects, hidesPath = false, hidden: _, ...request }: IssuerRequest,
  url: URL,
  signal: AbortSignal,
): Promise<IssuerResponse> {
  const {
    http,
    ca,
    certificate,
    clocks,
    connectTimeoutMs = 5_000,
    maxBytes = 1024 * 1024,
  } = options;
  const isFresh = options.freshConnection || clocks?.wantsFreshConnection(url.origin);
  const sent = clocks?.now();
  const shown = shownUrl(url, { hidesPath });
  const response = await http({
    ...request,
    headers: { "user-agent": USER_AGENT, ...request.headers },
    url,
    connectTimeoutMs,
    signal,
    ...omitUndefined({ ca, certificate }),
    ...(isFresh ? { freshConnection: true } : {}),
  });
  const sentAt = sent && clocks?.observe(url.origin, response, sent);
  const target = readsRedirects
    ? undefined
    : redirectTarget(response, url, { hidesPath, hidden: options.hidden ?? [] });
  if (target !== undefined) {
    response.body.destroy();
    const what = `${url.host} redirects to ${target}, where no secrets are sent. Put the final address into ${urlKey ?? "the settings"}.`;
    throw unavailable(options, shown, what, { sent: true, answered: true, lasting: true });
  }
  return {
    ...(await readWhole(response, maxBytes)),
    url: shown.href,
    ...omitUndefined({ sentAt }),
  };
}

function secureUrl(
  { credential, allowInsecureHttp, isOwnAddress }: IssuerSendOptions,
  text: string,
): URL {
  const parse = isOwnAddress ? parseSourceUrl : parseUrl;
  try {
    return parse(text, "The address to ask", allowInsecureHttp);
  } catch (error) {
    const message = `"${credential}" can't ask for a token: ${messageOf(error)}`;
    throw new AuthdError("credential_rejected", message, { credential, contact: UNSENT });
  }
}

function unavailable(
  { credential, hidden = [] }: IssuerSendOptions,
  url: URL,
  what: string,
  contact: IssuerContact,
): AuthdError {
  const endpoint = endpointOf(url, hidden);
  const message = `"${credential}" got no token from ${endpoint}: ${what}`;
  return new AuthdError("issuer_unavailable", message, { credential, contact, endpoint });
}

/** Returns what to tell about a request without a usable response. */
function explain(
  error: unknown,
  url: URL,
  { timedOutAfterMs, isAborted }: { timedOutAfterMs: number | undefined; isAborted: boolean },
): { what: string; contact: IssuerContact } {
  const { host } = url;
  if (error instanceof UnusableContent) {
    return { what: `${host} ${error.message}.`, contact: SENT };
  }
  const contact = neverSent(error) ? UNSENT : SENT;
  if (timedOutAfterMs !== undefined) {
    const seconds = Math.round(timedOutAfterMs / 100) / 10;
    const what = `${host} did not answer completely within ${seconds} s; the next try may do better.`;
    return { what, contact };
  }
  if (isAborted) return { what: "the request was interrupted.", contact };
  const unknownHost = isUnknownHost(error);
  const why = { ...contact, ...(unknownHost ? { unknownHost } : {}) };
  return { what: explainNetworkError(error, url), contact: why };
}

const SYSTEM_TIMERS: Pick<Clock, "schedule"> = {
  schedule(ms, run) {
    const timer = setTimeout(run, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Returns a signal that aborts after `ms`, or when `outer` does. */
function startDeadline(clock: Pick<Clock, "schedule">, ms: number, outer: AbortSignal | undefined) {
  const controller = new AbortController();
  let isOver = false;
  const abort = () => controller.abort();
  const timer = scheduleLong(clock, ms, () => {
    isOver = true;
    abort();
  });
  if (outer?.aborted) abort();
  else outer?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    isOver: () => isOver,
    stop() {
      timer.cancel();
      outer?.removeEventListener("abort", abort);
    },
  };
}

/** Returns the address without its path where that may not be shown. */
function shownUrl(url: URL, { hidesPath }: Pick<IssuerRequest, "hidesPath">): URL {
  return hidesPath ? new URL(url.origin) : url;
}

/**
 * Returns the address that a response redirects to: of the same host without its query, of any other the origin
 * alone, as the rest of a Location may carry secrets.
 */
function redirectTarget(
  { status, headers }: HttpResponse,
  base: URL,
  { hidesPath, hidden = [] }: Pick<IssuerRequest, "hidesPath" | "hidden">,
): string | undefined {
  if (!REDIRECT_STATUSES.has(status)) return undefined;
  const location = String(headers.location ?? "");
  if (!URL.canParse(location, base.href)) return "an unknown place";
  const target = new URL(location, base);
  const isNear = target.hostname === base.hostname && !hidesPath;
  return isNear ? `${target.protocol}//${endpointOf(target, hidden)}` : target.origin;
}

async function readWhole(response: HttpResponse, maxBytes: number): Promise<IssuerResponse> {
  const { headers, chunks, isDecoded } = decodeBody(response, true, totalLimit(maxBytes));
  const bytes = await collect(chunks, maxBytes).catch((error: unknown) => {
    response.body.destroy();
    throw error instanceof TooLarge ? tooLong(maxBytes) : error;
  });
  // Some servers name a charset there, or what a client may have asked for: readable text is no compressed one.
  if (!isDecoded && !isUtf8(bytes)) {
    // Which one is not shown: a header may repeat what it was sent.
    throw new UnusableContent("sent its answer in a compression that authd does not know");
  }
  // TextDecoder drops a byte order mark.
  const text = new TextDecoder().decode(bytes);
  const joined = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]);
  const setCookies = headers["set-cookie"];
  return {
    status: response.status,
    headers: Object.fromEntries(joined),
    text,
    ...(setCookies === undefined ? {} : { setCookies: [setCookies].flat() }),
  };
}

/** Limits the compressed bytes, and all that the decoding steps put out together. */
function totalLimit(maxBytes: number): DecodeLimits {
  const limit = () => {
    let left = maxBytes;
    return (bytes: number) => {
      left -= bytes;
      if (left < 0) throw tooLong(maxBytes);
    };
  };
  const onOutput = limit();
  return { onRaw: limit(), onInner: onOutput, onDecoded: onOutput };
}

function tooLong(maxBytes: number): UnusableContent {
  return new UnusableContent(
    `sent more than ${Math.round(maxBytes / 1024)} KiB, which is no token`,
  );
}
