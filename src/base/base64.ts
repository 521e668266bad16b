/**
 * Returns the bytes of base64 (RFC 4648 section 4), whose padding may be absent; undefined if `text` is
 * no base64. Buffer.from alone skips what it does not know, and so would return other bytes than were
 * meant.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  if (digits % 4 === 1 || (padding > 0 && text.length % 4 !== 0)) return undefined;
  const bytes = Buffer.from(text, "base64");
  // A character that was skipped leaves fewer bytes. Those of base64url are not skipped, and of one
  // beyond Latin-1 the lower byte may count.
  const isWhole = bytes.length === Math.floor((digits * 3) / 4);
  const isAscii = Buffer.byteLength(text) === text.length;
  return isWhole && isAscii && !text.includes("-") && !text.includes("_") ? bytes : undefined;
}
