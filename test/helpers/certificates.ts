import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

/** A certificate and its key, as PEM text. */
export interface Certificate {
  key: string;
  cert: string;
}

/** A certificate authority of one's own. */
export interface Authority {
  /** PEM text. */
  ca: string;
  /** For these host names and IPv4 addresses. */
  issue(...names: string[]): Certificate;
  /** One that ran out yesterday. */
  expired(...names: string[]): Certificate;
}

/** From when to when, counted from today. */
type Days = readonly [number, number];
const VALID: Days = [-1, 1];

/** Makes X.509 certificates (RFC 5280) by hand: Node can sign but not build them. */
export function createAuthority(name = "A test's authority"): Authority {
  const issuer = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const build = (subject: string, publicKey: KeyObject, extensions: Buffer[], days = VALID) =>
    certificate({ subject, issuer: name, publicKey, extensions, days, signer: issuer.privateKey });
  const issue = (names: string[], days?: Days) => {
    const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return {
      key: own.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      cert: build(names[0] ?? "", own.publicKey, [subjectAltName(names)], days),
    };
  };
  return {
    ca: build(name, issuer.publicKey, [basicConstraints()]),
    issue: (...names) => issue(names),
    expired: (...names) => issue(names, [-2, -1]),
  };
}

function certificate(about: {
  subject: string;
  issuer: string;
  publicKey: KeyObject;
  extensions: Buffer[];
  days: Days;
  signer: KeyObject;
}): string {
  const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    commonName(about.issuer),
    sequence(...about.days.map((day) => time(Date.now() + day * 86_400_000))),
    commonName(about.subject),
    about.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...about.extensions)),
  );
  const signature = der(0x03, Buffer.from([0]), sign("sha256", body, about.signer));
  const text = sequence(body, algorithm, signature)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
}

/** Tag, length, value. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const oid = (...bytes: number[]) => der(0x06, Buffer.from(bytes));
const commonName = (text: string) =>
  sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(text)))));

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

function basicConstraints(): Buffer {
  const isCa = sequence(der(0x01, Buffer.from([0xff])));
  return sequence(oid(0x55, 0x1d, 0x13), der(0x01, Buffer.from([0xff])), der(0x04, isCa));
}

function subjectAltName(names: string[]): Buffer {
  const entries = names.map((name) =>
    isIP(name) === 4
      ? der(0x87, Buffer.from(name.split(".").map(Number)))
      : der(0x82, Buffer.from(name)),
  );
  return sequence(oid(0x55, 0x1d, 0x11), der(0x04, sequence(...entries)));
}
