import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { loadConfiguration, resolveCredential } from "../../src/config/config.ts";
import { presetNamed } from "../../src/config/preset.ts";
import { readPresets } from "../../src/config/presets.ts";
import { AuthdError } from "../../src/errors.ts";
import { configFolder } from "../helpers/config-folder.ts";

const WEATHER = `title = "Weather"
grant = "exchange"
keys = { hint = "On its web page." }
[fields.station]
label = "Station"
[fields.unit]
label = "Unit"
default = "c"
choices = { c = "celsius", f = "fahrenheit" }
[fields.pass]
label = "Pass phrase"
secret = true
[settings]
secrets = ["pass"]
origins = ["https://weather.example"]
request = { url = "https://weather.example/{station}", form = { unit = "{unit}", pass = "{secret.pass}" } }
response = { token = "/token" }
`;

function withPresets(t: ExecutionContext, presets: Record<string, string>, credentials = {}) {
  const dir = configFolder(t, credentials);
  mkdirSync(join(dir, "presets"), { mode: 0o700 });
  for (const [name, text] of Object.entries(presets))
    writeFileSync(join(dir, "presets", name), text, { mode: 0o600 });
  return dir;
}

test("a preset of one's own is one data file and nothing else", (t) => {
  const dir = withPresets(t, { "weather.toml": WEATHER, ".weather.toml.swp": "", "notes.txt": "" });
  const { byName, mistakes } = readPresets(dir);
  t.deepEqual([...byName.keys()], ["labelf", "onestepai", "realtyna", "weather", "zebbra"]);
  t.deepEqual(mistakes, []);
  t.is(byName.get("weather")?.file, join(dir, "presets", "weather.toml"));
  const file = { preset: "weather", station: "a b" };
  const settings = resolveCredential("demo", file, {}, { configDir: dir });
  t.is(settings.preset, "weather");
  t.deepEqual(settings.fields, { station: "a b", unit: "celsius" });
  t.like(settings.own, {
    request: { url: "https://weather.example/{station}", form: { unit: "{unit}" } },
  });
  t.is(settings.secrets[0]?.label, "Pass phrase");
  t.deepEqual(settings.headers, { authorization: "Bearer {token}" });
});

const lines = (...changes: [from: string, to: string][]) =>
  changes.reduce((text, [from, to]) => text.replace(from, to), WEATHER);

for (const [what, text, says] of [
  ["no TOML", lines(['"Weather"', "Weather"]), /^line 1, column \d+: not valid TOML/],
  ["an unknown key", lines(["title", "titel"]), /line 1: .*"titel".* Did you mean "title"/],
  ["an unknown key of a field", lines(["secret = true", "secrets = true"]), /line 12: .*secrets/],
  ["an unknown grant", lines(['"exchange"', '"exchnge"']), /line 2: .*Did you mean "exchange"/],
  [
    "an unknown setting",
    lines(["origins =", "origin ="]),
    /line 15: .*"settings\.origin".* Did you mean "settings\.origins"/,
  ],
  [
    "an unknown key of a request",
    lines(["form =", "forms ="]),
    /line 16: .*settings\.request\.forms/,
  ],
  [
    "a value that its key can't have",
    lines(["[settings]", "[settings]\nwarm = 7"]),
    /line 14: settings\.warm/,
  ],
  [
    "a key of shipped presets alone",
    lines(["[settings]", '[verify_before]\nurl = "a"\nmethod = "GET"\n[settings]']),
    /line 13: verify_before/,
  ],
  [
    "a default of a field below it",
    lines(['default = "c"', 'default = "{later}"']),
    /line 8: fields\.unit\.default holds \{later\}/,
  ],
  [
    "a template of a field that is not there",
    lines(["{station}", "{staton}"]),
    /line 16: settings\.request\.url holds \{staton\}.* Did you mean \{station\}/,
  ],
] as const) {
  test(`a preset with ${what} costs those who use it, and names file, line and key`, (t) => {
    const dir = withPresets(
      t,
      { "weather.toml": text },
      {
        "rain.toml": 'preset = "weather"\nstation = "a"\n',
        "fine.toml": 'preset = "labelf"\nclient_id = "a"\n',
      },
    );
    const { credentials, errors } = loadConfiguration({ dir, env: {} });
    t.deepEqual([...credentials.keys()], ["fine"]);
    const [preset, credential, ...others] = errors;
    t.deepEqual(others, []);
    t.is(preset?.file, join(dir, "presets", "weather.toml"));
    t.regex(preset?.message ?? "", says);
    t.is(credential?.credential, "rain");
    t.regex(
      credential?.message ?? "",
      /^line 1: Credential "rain": preset "weather" can't be used/,
    );
    t.true(credential?.message.includes(`${preset?.file}, ${preset?.message}`));
  });
}

test("a preset's name is one that a credential could have", (t) => {
  const dir = withPresets(t, { "My Weather.toml": WEATHER });
  t.regex(readPresets(dir).mistakes[0]?.message ?? "", /upper case is not allowed/);
});

test("a folder or a file of presets that others may write to is not used", (t) => {
  const dir = withPresets(t, { "weather.toml": WEATHER });
  const file = join(dir, "presets", "weather.toml");
  chmodSync(file, 0o666);
  const [ofFile] = readPresets(dir).mistakes;
  t.is(ofFile?.file, file);
  t.regex(ofFile?.message ?? "", /can be changed by other users/);
  t.throws(() => presetNamed("weather", readPresets(dir)), { message: /chmod go-w/ });
  chmodSync(file, 0o600);
  chmodSync(join(dir, "presets"), 0o777);
  const presets = readPresets(dir);
  t.regex(presets.mistakes[0]?.message ?? "", /can be changed by other users/);
  t.throws(() => presetNamed("weather", presets), {
    instanceOf: AuthdError,
    message: /chmod go-w/,
  });
  t.is(presetNamed("labelf", presets).name, "labelf");
});

test("one of a shipped preset's name takes its place, and says so", (t) => {
  const dir = withPresets(t, { "labelf.toml": WEATHER });
  const preset = presetNamed("labelf", readPresets(dir));
  t.is(preset.title, "Weather");
  t.true(preset.replaces);
  // With a mistake in it nobody gets the shipped one instead.
  writeFileSync(join(dir, "presets", "labelf.toml"), "title = 1\n");
  t.throws(() => presetNamed("labelf", readPresets(dir)), {
    message: /labelf\.toml, line 1: title/,
  });
});

test("what a preset says is bound like a credential's own file", (t) => {
  const dir = withPresets(t, { "weather.toml": WEATHER });
  const bindingOf = () =>
    resolveCredential("demo", { preset: "weather", station: "a" }, {}, { configDir: dir }).binding;
  const before = bindingOf();
  const rewrite = (...changes: Parameters<typeof lines>) =>
    writeFileSync(join(dir, "presets", "weather.toml"), lines(...changes));
  rewrite(["Pass phrase", "Password"], ["On its web page.", "Ask them."]);
  t.is(bindingOf(), before);
  rewrite(["https://weather.example/{station}", "https://evil.example/{station}"]);
  t.not(bindingOf(), before);
  rewrite(['https://weather.example"]', 'https://evil.example"]']);
  t.not(bindingOf(), before);
});
