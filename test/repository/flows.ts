/** Every credential file in docs/flows.md is one that authd takes. */
import test from "ava";
import { parse } from "smol-toml";
import { resolveCredential } from "../../src/config/config.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { readDocument } from "../helpers/markdown.ts";

const files = readDocument("docs/flows.md")
  .blocks("toml")
  .map((text) => parse(text))
  .filter((file) => file.grant !== undefined);

test("there are the files of GitHub, Google, Microsoft and AWS", (t) => {
  const text = JSON.stringify(files);
  for (const host of ["api.github.com", "sts.googleapis.com", "login.microsoftonline.com"]) {
    t.true(text.includes(`https://${host}/`), host);
  }
  t.true(text.includes("get-web-identity-token"));
});

for (const [index, file] of files.entries()) {
  test(`file ${index + 1}, of ${file.grant}, can be read`, (t) => {
    const settings = resolveCredential("demo", file, {}, { configDir: temporaryFolder(t) });
    t.is(settings.grant, String(file.grant));
    t.true(settings.origins.length > 0);
  });
}
