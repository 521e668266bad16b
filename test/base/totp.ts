import test from "ava";
import { totp } from "../../src/base/totp.ts";

/** RFC 6238 appendix B: "12345678901234567890" in base32. */
const SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

test("the codes of RFC 6238 appendix B", (t) => {
  const at = { 59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130" };
  for (const [seconds, code] of Object.entries(at))
    t.is(totp(SECRET, Number(seconds) * 1000), code);
});

test("a secret as web pages show it: spaces, lower case, padding", (t) => {
  t.is(totp(" gezd gnbv gy3t qojq GEZD-GNBV-GY3T-QOJQ==== ", 59_000), "287082");
});

test("an otpauth URI, with its own digits, period and algorithm", (t) => {
  t.is(totp(`otpauth://totp/Zebbra:me?secret=${SECRET}&issuer=Zebbra`, 59_000), "287082");
  t.is(totp(`otpauth://totp/x?secret=${SECRET}&digits=8`, 59_000), "94287082");
  t.is(totp(`otpauth://totp/x?secret=${SECRET}&period=60`, 119_000), "287082");
  const sha256 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
  const uri = `otpauth://totp/x?secret=${sha256}&digits=8&algorithm=SHA256`;
  t.is(totp(uri, 59_000), "46119246");
});

test("anything else is refused without being repeated", (t) => {
  const bad = [
    "",
    "A",
    "1890!",
    "otpauth://hotp/x?secret=AAAA",
    "otpauth://totp/x",
    `otpauth://totp/x?secret=${SECRET}&digits=1.5`,
    `otpauth://totp/x?secret=${SECRET}&algorithm=MD5`,
  ];
  for (const secret of bad) {
    const error = t.throws(() => totp(secret, 0), { message: /otp_secret/ });
    if (secret.length > 1) t.false(error.message.includes(secret));
  }
});
