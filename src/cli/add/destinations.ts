/** Asks where a token goes: in which part of a request, to which origins, and what a test may ask for. */
import { askText, choose } from "../prompts.ts";
import type { Answers } from "./answers.ts";

/** `placed`: also in which part of a request it goes, which OAuth's grants know. */
export async function askDestinations(answers: Answers, placed: boolean): Promise<void> {
  const isPlaced = ["headers", "query", "cookie", "body"].some((key) => answers.has(key));
  if (placed && !isPlaced) await askPlace(answers);
  await answers.ask("origins", {
    label: "To which origins may the token go?",
    hint: "such as https://api.example.com; several with commas; empty: only programs that get it decide",
    optional: true,
    read: (text) => text.split(/[\s,]+/).filter((origin) => origin !== ""),
  });
  const first = originsIn(answers)[0];
  if (first === undefined) return;
  await answers.ask("verify.url", {
    label: "What may `authd test` ask for?",
    hint: "a path or URL there that tells whether the token works; empty: nothing",
    optional: true,
    check: (text) => whyNotThere(text, answers),
    read: (text) => (text.startsWith("/") ? new URL(text, first).href : text),
  });
}

/** Returns the origins that are known: others come with a token. */
function originsIn({ settings }: Pick<Answers, "settings">): string[] {
  return [settings.origins ?? []]
    .flat()
    .filter((origin) => URL.canParse(origin) && !origin.includes("*"))
    .map((origin) => new URL(origin).origin);
}

function whyNotThere(text: string, { settings }: Pick<Answers, "settings">): string | undefined {
  if (text.startsWith("/") || !URL.canParse(text)) return undefined;
  const origins = originsIn({ settings });
  const { origin } = new URL(text);
  return origins.includes(origin) ? undefined : `${origin} is none of the token's origins.`;
}

/** Ways in which an API wants a token that need a word or a name. `key`: the setting that has the name. */
const NAMED = {
  word: { label: "Which word?", hint: "such as Token" },
  header: { label: "Which header?", fallback: "X-Api-Key", key: "headers" },
  query: { label: "Which parameter?", fallback: "api_key", key: "query" },
  cookie: { label: "Which cookie?", hint: "such as session", key: "cookie" },
} satisfies Record<string, { label: string; hint?: string; fallback?: string; key?: string }>;

/** Ways that need nothing else. */
const HEADERS = { bearer: undefined, raw: "{token}", basic: "{token|basic}" };

async function askPlace(answers: Answers): Promise<void> {
  answers.asked++;
  const place = await choose("How does the API want the token?", [
    { value: "bearer", label: "Authorization: Bearer TOKEN", hint: "most APIs" },
    { value: "raw", label: "Authorization: TOKEN" },
    { value: "word", label: "Authorization: another word, and TOKEN" },
    { value: "header", label: "in a header of its own", hint: "X-Api-Key: TOKEN" },
    { value: "basic", label: "as the user of HTTP Basic, without a password" },
    { value: "query", label: "in the query", hint: "?api_key=TOKEN" },
    { value: "cookie", label: "in a cookie", hint: "session=TOKEN" },
  ]);
  if (Object.hasOwn(HEADERS, place)) {
    const header = HEADERS[place as keyof typeof HEADERS];
    if (header !== undefined) answers.settings["headers.authorization"] = header;
    return;
  }
  const { key, ...prompt } = { key: undefined, ...NAMED[place as keyof typeof NAMED] };
  const settingOf = (text: string): [key: string, template: string] =>
    key === undefined
      ? ["headers.authorization", `${text} {token}`]
      : [`${key}.${text}`, "{token}"];
  const given = await askText({ ...prompt, check: (text) => answers.whyUnfit(...settingOf(text)) });
  const [name, template] = settingOf(given ?? "");
  answers.settings[name] = template;
}
