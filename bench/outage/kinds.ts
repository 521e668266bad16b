/** The ways in which an issuer goes down: one row each. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Authority } from "../../test/helpers/certificates.ts";
import type { Bench } from "../helpers/bench.ts";
import { fillBacklog } from "./backlog.ts";
import type { OutageIssuer } from "./issuer.ts";

/** The name of the issuer where one is looked up. */
const NAME = "issuer.authd.test";

/** What an outage is made with. */
export interface Stage {
  bench: Bench;
  issuer: OutageIssuer;
  authority: Authority;
  /** Stands for /etc/hosts in the daemon's eyes. */
  hosts: string;
  /** What `Retry-After` says, whole seconds. */
  retryAfter: number;
}

export interface Kind {
  what: string;
  /** The issuer speaks https. */
  tls?: true;
  /** Its name is looked up, in a file of the harness's own. */
  named?: true;
  /** It says when to come back. */
  patient?: true;
  /** To what share of the back-off a caller brings a try forward; 0: no request leaves this machine. */
  share: number;
  /** Resolves with what ends it. */
  begin(setup: Stage): End | Promise<End>;
}

export type End = () => unknown;

/** A fault of its answers; connections stay. */
const answering = (fault: OutageIssuer["fault"], { issuer }: Stage): End => {
  issuer.fault = fault;
  return () => {
    issuer.fault = undefined;
  };
};

/** Another certificate from now on; connections end, or they would not notice. */
const presenting = (names: string[], expired: boolean, { issuer, authority }: Stage): End => {
  issuer.present(expired ? authority.expired(...names) : authority.issue(...names));
  issuer.disconnect();
  return () => issuer.present(authority.issue("127.0.0.1"));
};

export const KINDS = {
  refused: {
    what: "nobody listens",
    share: 0,
    async begin({ issuer }) {
      await issuer.close();
      return () => issuer.listen();
    },
  },
  unresolvable: {
    what: "its name is not to be looked up",
    named: true,
    share: 0,
    begin({ issuer, hosts }) {
      writeFileSync(hosts, "");
      issuer.disconnect();
      return () => writeFileSync(hosts, `127.0.0.1 ${NAME}\n`);
    },
  },
  blackholed: {
    what: "packets to it vanish: no connection comes about",
    share: 0,
    async begin({ bench, issuer }) {
      await issuer.close();
      const empty = await fillBacklog(bench, issuer.port);
      return async () => {
        await empty();
        await issuer.listen();
      };
    },
  },
  silent: {
    what: "it takes requests and never answers",
    share: 1 / 8,
    begin: (setup) => answering(() => {}, setup),
  },
  500: {
    what: "HTTP 500",
    share: 1 / 2,
    begin: (setup) => answering((response) => void response.writeHead(500).end("down"), setup),
  },
  404: {
    what: "HTTP 404",
    share: 1 / 2,
    begin: (setup) => answering((response) => void response.writeHead(404).end("gone"), setup),
  },
  503: {
    what: "HTTP 503 with Retry-After",
    share: 1 / 8,
    patient: true,
    begin(setup) {
      const headers = { "retry-after": String(setup.retryAfter) };
      return answering((response) => void response.writeHead(503, headers).end(), setup);
    },
  },
  "tls-expired": {
    what: "its certificate ran out",
    tls: true,
    share: 0,
    begin: (setup) => presenting(["127.0.0.1"], true, setup),
  },
  "tls-host": {
    what: "its certificate is another host's",
    tls: true,
    share: 0,
    begin: (setup) => presenting(["elsewhere.example"], false, setup),
  },
  half: {
    what: "half an answer, then the connection breaks",
    share: 1 / 8,
    begin: (setup) =>
      answering((response, body) => {
        const type = { "content-type": "application/json", "content-length": body.length };
        response.writeHead(200, type);
        response.write(body.slice(0, body.length / 2), () => response.socket?.destroy());
      }, setup),
  },
} satisfies Record<string, Kind>;

/** Where the daemon finds the issuer, and what lets it look there. */
export function placeOf(kind: Kind, { bench, hosts, authority }: Stage) {
  if (kind.tls) {
    const file = join(bench.folder, "ca.pem");
    writeFileSync(file, authority.ca);
    return { origin: "https://127.0.0.1", settings: { ca_file: file }, through: [] };
  }
  if (!kind.named) return { origin: "http://127.0.0.1", settings: {}, through: [] };
  writeFileSync(hosts, `127.0.0.1 ${NAME}\n`);
  const order = join(bench.folder, "nsswitch.conf");
  writeFileSync(order, "hosts: files\n");
  const mounts = `mount --bind '${hosts}' /etc/hosts && mount --bind '${order}' /etc/nsswitch.conf`;
  const user = process.geteuid?.() === 0 ? [] : ["--map-root-user"];
  return {
    origin: `http://${NAME}`,
    settings: { allow_insecure_http: true },
    through: ["unshare", "--mount", ...user, "sh", "-c", `${mounts} && exec "$@"`, "sh"],
  };
}
