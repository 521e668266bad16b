/** Asks where a token goes: in which header, to which origins, and what a test may ask for. */
import { askText, choose } from "../prompts.ts";
import type { Answers } from "./answers.ts";

/** `placed`: also in which header it goes, which OAuth's grants know. */
export async function askDestinations(answers: Answers, placed: boolean): Promise<void> {
  if (placed && !answers.has("headers")) await askHeader(answers);
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

async function askHeader(answers: Answers): Promise<void> {
  answers.asked++;
  const place = await choose("How does the API want the token?", [
    { value: "bearer", label: "Authorization: Bearer TOKEN", hint: "most APIs" },
    { value: "raw", label: "Authorization: TOKEN" },
    { value: "word", label: "Authorization: another word, and TOKEN" },
    { value: "header", label: "in a header of its own", hint: "X-Api-Key: TOKEN" },
  ]);
  if (place === "raw") answers.settings["headers.authorization"] = "{token}";
  if (place === "word") {
    const check = (word: string) => answers.whyUnfit("headers.authorization", `${word} {token}`);
    const word = await askText({ label: "Which word?", hint: "such as Token", check });
    answers.settings["headers.authorization"] = `${word} {token}`;
  }
  if (place === "header") {
    const check = (name: string) => answers.whyUnfit(`headers.${name}`, "{token}");
    const name = await askText({ label: "Which header?", fallback: "X-Api-Key", check });
    answers.settings[`headers.${name}`] = "{token}";
  }
}
