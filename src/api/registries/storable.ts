/** What PostgreSQL cannot hold in text or jsonb: NUL and lone surrogates. A body with one must not stop a registry's queue. */
const UNSTORABLE = /[\u0000\ud800-\udfff]/gu;
const MAX_LENGTH = 512;

/** A stranger's text, fit to be stored, logged and answered. */
export function storable(text: string): string {
  const short = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text;
  return short.replace(UNSTORABLE, '\ufffd');
}
