const TIME_LIMIT_MS = 4000;
/** Key sets and certificates are a few kilobytes. */
const LIMIT_BYTES = 256 * 1024;

/** Fetches a small text. No redirect is followed: it would leave the host that was judged. */
export async function fetchText(url: string): Promise<string> {
  if (new URL(url).protocol !== 'https:') throw new Error('only https is fetched');
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIME_LIMIT_MS) });
  if (!response.ok || response.body === null) throw new Error(`answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += (chunk as Uint8Array).length;
    if (length > LIMIT_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}
