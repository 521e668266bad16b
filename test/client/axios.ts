/** authd/axios, with axios itself. */
import test, { type ExecutionContext } from "ava";
import axios, { AxiosError } from "axios";
import { axiosAdapter } from "../../src/client/axios.ts";
import { AuthdError, connect } from "../../src/client.ts";
import { startStreamingApi } from "../helpers/streaming-api.ts";
import { startUploading } from "../helpers/uploading.ts";

async function setup(t: ExecutionContext) {
  const origin = await startStreamingApi(t, async (request, response) => {
    let body = "";
    for await (const part of request.setEncoding("utf8")) body += part;
    const { method, url, headers } = request;
    response.writeHead(url === "/no" ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ method, url, body, type: headers["content-type"] }));
  });
  const wire = await startUploading(t, origin);
  const client = connect({ socket: wire.path });
  t.teardown(() => client.close());
  const api = axios.create({ baseURL: origin, adapter: axiosAdapter(axios, client, "mine") });
  return { origin, api };
}

test("requests of axios go through authd", async (t) => {
  const { api } = await setup(t);
  const got = await api.get("/x", { params: { q: "a b", list: [1, 2] } });
  t.is(got.status, 200);
  t.is(got.data.url, "/x?q=a+b&list%5B%5D=1&list%5B%5D=2");
  const posted = await api.post("/y", { texts: ["hi"] });
  t.like(posted.data, { method: "POST", body: '{"texts":["hi"]}', type: "application/json" });
});

test("a status that axios takes for an error, and a refusal of authd, are AxiosErrors", async (t) => {
  const { api } = await setup(t);
  const missing = await t.throwsAsync(api.get("/no"), { instanceOf: AxiosError });
  t.is(missing?.response?.status, 404);
  const refused = await t.throwsAsync(api.get("http://127.0.0.1:65000/"), {
    instanceOf: AxiosError,
  });
  t.true(refused?.cause instanceof AuthdError);
  t.is((refused!.cause as AuthdError).reason, "origin_not_allowed");
});

test("an aborted request is axios's CanceledError", async (t) => {
  const { api } = await setup(t);
  const controller = new AbortController();
  const sent = api.get("/x", { signal: controller.signal });
  controller.abort();
  const error = await sent.catch((thrown: unknown) => thrown);
  t.true(axios.isCancel(error));
});
