/** Signs in with a browser on this machine, or with one elsewhere whose last address a person pastes. */
import { randomInt } from "node:crypto";
import { AuthdError, messageOf } from "../../errors.ts";
import { readRedirectUri, withPort } from "../../grants/login/index.ts";
import { type Flow, type FlowHost, LOGIN_TIMEOUT_MS } from "./flow.ts";
import { listenOnLoopback } from "./loopback-listener.ts";
import { OneAnswer } from "./one-answer.ts";
import { type Page, pageOf } from "./pages.ts";

/** Ports that no service has of its own (RFC 6335): nobody listens there in the paste flow. */
const [FIRST_PORT, LAST_PORT] = [49_152, 65_535];

export async function browserFlow(host: FlowHost): Promise<Flow> {
  const { credential, settings } = host.start.context;
  const redirect = readRedirectUri(settings.redirect_uri);
  const answer = new OneAnswer(host);
  const listener = await listenOnLoopback({
    ...{ credential, redirect },
    onCallback: (parameters) => pageFor(host, answer, parameters),
  });
  try {
    const url = await answer.begin(withPort(redirect, listener.port));
    return flowOf(answer, url, () => listener.close());
  } catch (error) {
    listener.close();
    throw error;
  }
}

export async function pasteFlow(host: FlowHost): Promise<Flow> {
  const redirect = readRedirectUri(host.start.context.settings.redirect_uri);
  const answer = new OneAnswer(host);
  const port = redirect.port || randomInt(FIRST_PORT, LAST_PORT + 1);
  const redirectUri = redirect.hosts.length === 0 ? redirect.text : withPort(redirect, port);
  return flowOf(answer, await answer.begin(redirectUri), () => {});
}

function flowOf(answer: OneAnswer, url: string, close: () => void): Flow {
  return {
    shown: { url, expiresInMs: LOGIN_TIMEOUT_MS },
    redirected: (address) => answer.takePasted(address),
    close,
  };
}

/** Returns the page of a callback: after the exchange, so that it says how that ended. */
async function pageFor(
  { start, asked }: FlowHost,
  answer: OneAnswer,
  parameters: URLSearchParams,
): Promise<Page> {
  const { credential } = start.context;
  const taken = answer.take(parameters);
  if (taken.kind !== "taken") return pageOf(taken.kind, credential);
  try {
    const isAsked = asked.then(() => true);
    const needsAnswer = await Promise.race([taken.completed, isAsked]);
    // What comes of the question is told to those who wait.
    taken.completed.catch(() => {});
    return pageOf(needsAnswer === true ? "confirm" : "done", credential);
  } catch (error) {
    const detail = error instanceof AuthdError ? messageOf(error) : "Something went wrong.";
    return pageOf("failed", credential, detail);
  }
}
