/** What is wrong with input, item by item, and the test that shows what comes of it. */
import { readFileSync } from "node:fs";
import test from "ava";

const TABLE: readonly [item: string, file: string, title: string][] = [
  [
    "unknown preset, grant, field, credential, key: with a guess",
    "bad-input/command-line",
    "what is not known is refused by name",
  ],
  [
    "unknown keys of credential files and of config.toml",
    "bad-input/command-line",
    "unknown keys in files are refused by name",
  ],
  [
    "a secret in --set; empty and oversized secrets",
    "bad-input/command-line",
    "a secret in --set, an unknown, an empty and an oversized one",
  ],
  [
    "a name with /, .., upper case or 65 characters",
    "bad-input/command-line",
    "names that can't be",
  ],
  [
    "a URL with credentials, of another origin, file:, IPv6, punycode",
    "bad-input/socket",
    "URLs that are none of the credential's",
  ],
  [
    "the same, at length",
    "request/origin",
    "without any origin every request is origin_not_allowed",
  ],
  ["header values with CR, LF, NUL", "bad-input/socket", "header values with CR, LF or NUL"],
  ["the same, names too", "request/request", "invalid_params, and nothing is sent"],
  ["a frame that is huge", "rpc/json-rpc-transport", "a frame over the cap closes the connection"],
  ["a frame whose length is negative", "rpc/json-rpc-transport", "a Content-Length that is"],
  ["an invalid message", "rpc/message", "an invalid message is answered with its id"],
  ["batches", "rpc/message", "a batch gets a list of errors, each with its id"],
  ["duplicate ids", "rpc/json-rpc-transport", "a second request with an id in flight is refused"],
  ["params as an array", "rpc/json-rpc-transport", "params that are"],
  [
    "half a frame and silence",
    "rpc/json-rpc-transport",
    "half a frame and silence closes the connection",
  ],
  [
    "a half-closed client",
    "rpc/json-rpc-transport",
    "a client that half-closes still gets its answers",
  ],
  [
    "a half-closed client that leaves",
    "rpc/server",
    "a half-closed client that leaves later is noticed",
  ],
  [
    "anything as params of any method",
    "bad-input/socket",
    "any params of any method get a well-formed answer",
  ],
  ["any bytes", "bad-input/socket", "any bytes: the connection is answered or closed"],
  [
    "NODE_OPTIONS with an inspector, SIGUSR1",
    "daemon/daemon",
    "an inspector is refused, by option and by signal",
  ],
  ["NODE_OPTIONS, each option", "daemon/harden", "NODE_OPTIONS with"],
  [
    "a vault file truncated, bit-flipped, another credential's",
    "bad-input/files",
    "costs that one credential, and is left as it is",
  ],
  ["one bit, anywhere", "vault/sealed-file", "one flipped bit anywhere is noticed"],
  [
    "a read-only configuration folder",
    "bad-input/files",
    "a configuration folder that is read-only",
  ],
  [
    "a world-writable configuration folder",
    "bad-input/files",
    "a configuration folder that others can write to",
  ],
  [
    "a configuration folder, or a file, that is a dangling link",
    "bad-input/files",
    "a configuration folder that is a link to nothing",
  ],
  ["a full disk", "bad-input/files", "a disk that is full"],
  ["a socket path over 107 bytes", "bad-input/files", "a socket path over 107 bytes is refused"],
  [
    "an issuer that answers HTML, nothing, a redirect",
    "bad-input/issuers",
    "an issuer that answers",
  ],
  [
    "an issuer that answers 10 GB",
    "bad-input/issuers",
    "an issuer whose answer never ends is cut off",
  ],
  [
    "an issuer that unpacks to gigabytes",
    "http/issuer",
    "an answer that is small but unpacks to gigabytes",
  ],
  [
    "an issuer that never answers",
    "bad-input/issuers",
    "an issuer that never answers keeps nobody else waiting",
  ],
];

for (const [item, file, title] of TABLE) {
  test(`${item}: see ${file}.ts`, (t) => {
    const source = readFileSync(new URL(`../${file}.js`, import.meta.url), "utf8");
    t.true(source.includes(title));
  });
}
