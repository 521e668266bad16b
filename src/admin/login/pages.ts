/** The pages that a person's browser shows at the end of a sign-in: HTML without scripts. */
import { createHash } from "node:crypto";

export interface Page {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const STYLE =
  "body{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}h1{font-size:1.5em}@media(prefers-color-scheme:dark){body{background:#111;color:#eee}}";

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join("; ");

const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": POLICY,
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  connection: "close",
};

const TEXTS = {
  done: { status: 200, title: "You are signed in", text: "You can close this page." },
  failed: {
    status: 400,
    title: "The sign-in failed",
    text: "Nothing was changed. You can close this page.",
  },
  confirm: {
    status: 200,
    title: "One more step",
    text: "You signed in with another account than before. authd asks you whether that is right: answer there, then close this page.",
  },
  foreign: {
    status: 400,
    title: "This is not the answer to your sign-in",
    text: "The address does not belong to the sign-in that is open. It was ignored, and the sign-in goes on.",
  },
  answered: {
    status: 409,
    title: "This sign-in was answered already",
    text: "It takes one answer. You can close this page.",
  },
  missing: { status: 404, title: "Nothing is here", text: "authd waits at another address." },
} as const satisfies Record<string, { status: number; title: string; text: string }>;

/** `detail`: a sentence about what happened; untrusted text. */
export function pageOf(kind: keyof typeof TEXTS, credential: string, detail?: string): Page {
  const { status, title, text } = TEXTS[kind];
  const lines = [credential, ...(detail === undefined ? [] : [detail]), text];
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)} – authd</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
${lines.map((line) => `<p>${escaped(line)}</p>`).join("\n")}
</body>
</html>
`;
  return { status, headers: HEADERS, body };
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
