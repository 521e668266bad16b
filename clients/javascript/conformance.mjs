// The driver of the JavaScript client for test/conformance: commands on standard input, what came of them on
// standard output, both in lines of JSON. It runs in Node, Deno and Bun.
import { AuthdError, connect } from "../../dist/src/client.js";

const FEATURES = ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"];
const NOTIFICATIONS = ["token/refreshed", "credential/stateChanged", "event"];

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let client;
/** What ends a call, by its number. */
const controllers = new Map();
/** Where the parts of a body go, by the number of its call. */
const uploads = new Map();

const COMMANDS = {
  connect({ socket, graceMs }) {
    client?.close();
    client = connect({ socket, ...(graceMs !== undefined && { graceMs }) });
    for (const name of NOTIFICATIONS) {
      client.onNotification(name, (params) => write({ notification: name, params }));
    }
  },
  getToken: ({ params }, options) => client.getToken(params, options),
  authorizedRequest: ({ params }, options) => client.authorizedRequest(params, options),
  request: ({ method, params }, options) => client.request(method, params, options),
  subscribe: ({ params }) => client.subscribe(params),
  unsubscribe: ({ params }) => client.unsubscribe(params),
  close: () => client.close(),
  async stream({ call, params, upload }, { signal }) {
    const { credential, url, ...init } = params;
    const body = upload ? { body: partsOf(call), duplex: "half" } : {};
    const fetch = client.authorizedFetch(credential);
    const response = await fetch(url, { ...init, ...body, signal });
    const { status } = response;
    write({
      call,
      head: { status, url: response.url, headers: Object.fromEntries(response.headers) },
    });
    for await (const chunk of response.body ?? []) {
      write({ call, chunk: Buffer.from(chunk).toString("base64") });
    }
  },
};

/** A body whose parts come as commands. */
function partsOf(call) {
  return new ReadableStream({
    start: (parts) => void uploads.set(call, parts),
    cancel: () => void uploads.delete(call),
  });
}

/** Parts that are not wanted any more are left out. */
function part({ of, data, last }) {
  const parts = uploads.get(of);
  if (data !== undefined) parts?.enqueue(new Uint8Array(Buffer.from(data, "base64")));
  if (last) parts?.close();
}

async function carryOut(command) {
  if (command.do === "part") return part(command);
  if (command.do === "cancel") return controllers.get(command.of).abort();
  const { call } = command;
  const controller = new AbortController();
  controllers.set(call, controller);
  try {
    const result = await COMMANDS[command.do](command, { signal: controller.signal });
    write({ call, result: result ?? {} });
  } catch (error) {
    write({ call, error: described(error) });
  }
}

function described(error) {
  if (error.name === "AbortError") return { reason: "cancelled", message: error.message };
  if (!(error instanceof AuthdError)) return { reason: "driver", message: error.stack };
  const { reason, message, credential, retryAfterMs, oauth } = error;
  return { reason, message, credential, retryAfterMs, oauth };
}

write({ client: "javascript", features: FEATURES });
let rest = "";
process.stdin.setEncoding("utf8");
for await (const text of process.stdin) {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  for (const line of lines) void carryOut(JSON.parse(line));
}
client?.close();
