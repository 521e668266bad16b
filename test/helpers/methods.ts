/** Methods as other users, and clients of restricted sockets, meet them. */

/** Methods that are not for the daemon's own user alone; what they answer is another matter. */
export const OPEN_METHODS: readonly string[] = [
  ...["initialize", "getToken", "authorizedRequest", "request/open", "request/chunk"],
  ...["credentials/list", "credentials/show", "status"],
];

/** Params with which a method is not refused for what they are, beside `credential`. */
export const LEAST_PARAMS: Readonly<Record<string, object>> = {
  "credentials/add": { name: "more", grant: "static", settings: {}, secrets: { token: "x" } },
  "credentials/discover": { name: "more", resource: "https://api.example.com" },
  "vault/export": { passphrase: "a long passphrase" },
  "vault/upload": { data: "" },
  "vault/import": { passphrase: "a long passphrase" },
  "vault/rekey": { to: "file" },
  "vault/move": { to: "file:" },
  "fleet/key": { name: "nodes" },
  "fleet/join": { url: "file:///nowhere", invite: "none" },
  "fleet/remove": { host: "none" },
  "approvals/answer": { id: 1, answer: "once" },
  "tokenFiles/add": { path: "/run/authd-token" },
  "tokenFiles/remove": { path: "/run/authd-token" },
  "login/finish": { login: "none" },
  "login/cancel": { login: "none" },
  // Otherwise it is about the caller's own connection, which is anybody's to end.
  shutdown: { daemon: true },
};
