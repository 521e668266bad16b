import { omitUndefined } from "../../base/omit-undefined.ts";
import type { Exposure, Facts } from "./facts.ts";

/** Verdict on one attacker. `unknown`: it depends on facts that authd can't see. Only `holds` counts. */
export type Verdict = "holds" | "partly" | "unknown" | "fails";

/** Result for one attacker of docs/security.md. */
interface AttackerResult {
  attacker: string;
  mark: Verdict;
  why: string;
  /** Command or setting that improves it. */
  next?: string;
}

export interface Score {
  holds: number;
  of: number;
  against: AttackerResult[];
  /** The step that improves most. */
  next?: string;
}

interface Flaw {
  mark: Exclude<Verdict, "holds">;
  why: string;
  next?: string | undefined;
}

interface Attacker {
  /** Reason that is given where no flaw is found. */
  holds: (facts: Facts) => string;
  flaws: (facts: Facts) => (Flaw | false)[];
}

const SEVERITY: Readonly<Record<Verdict, number>> = { holds: 0, partly: 1, unknown: 2, fails: 3 };

/** The attackers, with the names that docs/security.md gives them. */
const ATTACKERS: Readonly<Record<string, Attacker>> = {
  "other users": {
    holds: () => "nobody else reaches the socket without being let in, or the files",
    flaws: ({ findings, daemon, isElsewhere, platform }) => [
      platform === "win32" &&
        unknown("who may change the settings' folder is not looked at on Windows"),
      isElsewhere && unknown("who else reaches the daemon's folders can't be seen from here"),
      ...findings.flatMap(({ level, about, message, fix }) =>
        level === "ok" || level === "unknown" || !PLACES.has(about)
          ? []
          : [{ mark: level === "problem" ? "fails" : "partly", why: message, next: fix } as Flaw],
      ),
      (daemon.reporting.metricsListen ?? daemon.reporting.metricsFile) !== undefined &&
        partly("all users can read the names of credentials in the metrics", WITHOUT_METRICS),
    ],
  },
  "your programs": {
    holds: ({ isOurs }) =>
      isOurs
        ? "no token leaves authd without a person's yes, and no program opens the vault"
        : "the daemon is another user's, and gives no program a token",
    flaws: (facts) => (facts.isOurs ? againstOwnPrograms(facts) : againstGuests(facts)),
  },
  "open machine": {
    holds: () => "the vault locks itself, and opens with the passphrase only",
    flaws: ({ daemon: { vaultKey, lock }, isPassphraseInFile }) =>
      isLockable(vaultKey)
        ? [
            vaultKey === "keychain" && partly("a locked vault opens while the keychain is open"),
            isPassphraseInFile &&
              partly("systemd keeps the passphrase in a file of yours", TYPE_IT),
            lock?.afterMs === undefined &&
              (lock?.on ?? []).length === 0 &&
              partly("the vault never locks itself", 'lock_after = "30m" in config.toml'),
            ...(lock?.on ?? []).map(({ event, error }) =>
              error === undefined ? false : partly(`it is not locked on ${event}: ${error}`),
            ),
          ]
        : [fails("the vault can't be locked: its key is always at hand", REKEY)],
  },
  "stolen disk": {
    holds: () => "the vault is as good as its passphrase",
    flaws: ({ daemon: { vaultKey }, isPassphraseInFile, process }) => [
      vaultKey === "file" &&
        unknown("the key lies beside the vault: only an encrypted disk would help", REKEY),
      vaultKey === "keychain" && partly("the vault is as good as the keychain's password"),
      (vaultKey === "systemd-credential" || isPassphraseInFile) &&
        unknown("it depends on what systemd sealed the key with: best a TPM"),
      process.swaps === true &&
        partly("the daemon's memory may be swapped to disk, encrypted or not", INSTALL),
      process.dumpsCore === true && partly("a crash may write its memory to disk", INSTALL),
    ],
  },
  backup: {
    holds: () => "a copy of the vault's folder opens nothing by itself",
    flaws: ({ daemon: { vaultKey } }) => [
      vaultKey === "file" &&
        fails("a copy of the vault's folder opens itself, unless `key` is left out", REKEY),
    ],
  },
  "edited settings": {
    holds: () => "secrets go nowhere else until you trust the change",
    flaws: ({ changed, configuration, configDir }) => [
      changed.length > 0 &&
        partly(`${names(changed)}: the file was changed`, `look at it: authd trust ${changed[0]}`),
      configuration?.daemon.hook?.[0]?.startsWith(`${configDir}/`) === true &&
        partly("the hook lies among the settings, and is not sealed", "move it elsewhere"),
    ],
  },
  network: {
    holds: ({ configuration }) =>
      configuration?.daemon.proxy === undefined
        ? "everything beyond this machine goes over TLS"
        : "everything goes over TLS; the proxy sees which hosts are asked",
    flaws: ({ configuration, credentials }) => [
      configuration === undefined && unknown("the daemon's settings can't be read from here"),
      ...forAll(credentials, ({ isUnencrypted }) => isUnencrypted, unencrypted),
    ],
  },
  "malicious API": { holds: () => "tokens go to their origins only", flaws: confinement },
  "malicious issuer": { holds: () => "it learns its own secret only", flaws: confinement },
};

const PLACES: ReadonlySet<string> = new Set(["socket", "configuration", "state", "vault"]);
const REKEY = "authd vault rekey --to passphrase";
const INSTALL = "authd service install";
const TYPE_IT = "take authd-passphrase out of the unit; authd unlock asks for it";
const WITHOUT_METRICS = "leave metrics_listen and metrics_file out of config.toml, then restart";
const AUDIT = 'take audit = "off" out of config.toml, then restart';
const OUT_OF_REACH = `${REKEY}, or a daemon under its own user (sudo authd service install --system)`;
const onlyRequests = (name: string) => `authd set ${name} --set expose=request`;

const fails = (why: string, next?: string): Flaw => ({ mark: "fails", why, next });
const unknown = (why: string, next?: string): Flaw => ({ mark: "unknown", why, next });
const partly = (why: string, next?: string): Flaw => ({ mark: "partly", why, next });
const names = (all: readonly string[]) => all.join(", ");
const isLockable = (source: string) => source === "passphrase" || source === "keychain";

/** For each key source, how any program of the daemon's own user gets the vault's key. */
const KEY_ACCESS: Readonly<Record<string, string>> = {
  file: "can read the key file",
  keychain: "can ask the keychain while it is open",
  "systemd-credential": "can read the key that systemd keeps for the service",
  passphraseFile: "can read the passphrase that systemd keeps for the service",
};

/** Returns one flaw for all credentials for which `concerns` is true. */
function forAll(
  credentials: Facts["credentials"],
  concerns: (one: Exposure) => boolean,
  say: (which: string, first: string) => Flaw,
): Flaw[] {
  const found = credentials.filter(concerns);
  const [first] = found;
  return first ? [say(names(found.map(({ name }) => name)), first.name)] : [];
}

const unencrypted = (which: string) =>
  fails(
    `allow_insecure_http: who listens reads the secrets of ${which}`,
    "https URLs, and no allow_insecure_http",
  );

/** Flaws against programs of the user that the daemon runs as. */
function againstOwnPrograms({ daemon, isPassphraseInFile, credentials, audit, process }: Facts) {
  const how = KEY_ACCESS[isPassphraseInFile ? "passphraseFile" : daemon.vaultKey];
  const next = isPassphraseInFile ? TYPE_IT : OUT_OF_REACH;
  const hasLevel = (level: Exposure["level"]) => (each: Exposure) => each.level === level;
  return [
    how !== undefined && fails(`any of them ${how} and open the vault`, next),
    ...(how === undefined
      ? []
      : forAll(credentials, hasLevel("request"), (which) =>
          fails(`expose = "request" of ${which} does not hold against them`, next),
        )),
    ...forAll(credentials, hasLevel("open"), (which, first) =>
      fails(`any of them gets the tokens of ${which}`, onlyRequests(first)),
    ),
    ...forAll(credentials, hasLevel("rules"), (which, first) =>
      partly(`rules of ${which} are a seat belt among programs of one user`, onlyRequests(first)),
    ),
    ...(daemon.vaultKey === "passphrase"
      ? []
      : forAll(credentials, hasLevel("asked"), (which) =>
          partly(`a yes for ${which} can be faked without a passphrase`, next),
        )),
    process.traceable === true && fails("they can look into the daemon's memory", INSTALL),
    audit === "off" && partly("nobody can tell who used what", AUDIT),
  ];
}

/** Flaws against programs of other users whom a shared daemon lets in. */
function againstGuests({ credentials, audit }: Facts) {
  return [
    ...forAll(
      credentials,
      ({ level, hasAllowRules }) => hasAllowRules && level !== "request",
      (which, first) => partly(`those let in get the tokens of ${which}`, onlyRequests(first)),
    ),
    audit === "off" && partly("nobody can tell who used what", AUDIT),
  ];
}

/** Flaws against responses that exploit a vulnerability of Node. */
function confinement({ process }: Facts) {
  return [
    process.confined === false &&
      partly("a hole in the daemon would not be contained: it runs outside its unit", INSTALL),
  ];
}

/** Judges a set-up against each attacker. */
export function score(facts: Facts): Score {
  const against = Object.entries(ATTACKERS).map(([attacker, { holds, flaws }]) =>
    resultFor(
      attacker,
      flaws(facts).filter((flaw) => flaw !== false),
      holds(facts),
    ),
  );
  const next = bestStep(against);
  return {
    holds: against.filter(({ mark }) => mark === "holds").length,
    of: against.length,
    against,
    ...omitUndefined({ next }),
  };
}

function resultFor(attacker: string, flaws: Flaw[], holds: string): AttackerResult {
  const [worst, ...others] = flaws.toSorted((a, b) => SEVERITY[b.mark] - SEVERITY[a.mark]);
  if (!worst) return { attacker, mark: "holds", why: holds };
  const why = [worst, ...others].map((flaw) => flaw.why).join("; ");
  const { mark, next } = worst;
  return { attacker, mark, why, ...omitUndefined({ next }) };
}

/** Returns the step that improves most: `fails` weighs more than `partly`. */
function bestStep(against: readonly AttackerResult[]): string | undefined {
  const weights = new Map<string, number>();
  for (const { mark, next } of against) {
    if (next === undefined) continue;
    const step = next.startsWith(REKEY) ? REKEY : next;
    weights.set(step, (weights.get(step) ?? 0) + SEVERITY[mark]);
  }
  const [first] = [...weights].toSorted(([, a], [, b]) => b - a);
  return first?.[0];
}
