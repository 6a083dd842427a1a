import { hash } from 'node:crypto';

/** What agents of November 2025 read beside `apps`: nothing is staged here, and nothing is configured but apps. */
const ALSO = '"config":{},"needs_deployment":false,"last_deployed_at":null';

/**
 * The body of an agent's poll. Agents in the field look at `imageName` only, and one service without it stops the whole
 * device (docs/agent-protocol.md, section 4), so it is filled from `config.image` or `image`. A document that needs no
 * filling goes out as PostgreSQL's own text.
 */
export function servedState(uuid: string, apps: string, version: number): { body: string; etag: string } {
  const document = JSON.parse(apps) as unknown;
  const text = fillImageNames(document) ? JSON.stringify(document) : apps;
  const body = `{"${uuid}":{"apps":${text},"version":${version},${ALSO}}}`;
  return { body, etag: `"${hash('sha256', body)}"` };
}

/** Fills in place; true when something was filled. Never throws on what others stored. */
function fillImageNames(apps: unknown): boolean {
  let filled = false;
  for (const app of Object.values(record(apps))) {
    const services = record(app)['services'];
    if (!Array.isArray(services)) continue;
    for (const item of services) {
      const service = record(item);
      if (typeof service['imageName'] === 'string') continue;
      const image = record(service['config'])['image'] ?? service['image'];
      if (typeof image !== 'string') continue;
      service['imageName'] = image;
      filled = true;
    }
  }
  return filled;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/**
 * Whether `if-none-match` holds this tag: quoted or bare, weak, in a list, or `*`. By hand, because agents send
 * `cache-control: no-cache` beside it and Express would then never answer 304.
 */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const bare = etag.replaceAll('"', '');
  return header.split(',').some((part) => {
    const tag = part
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1');
    return tag === bare || tag === '*';
  });
}
