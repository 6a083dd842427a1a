import { z } from 'zod';
import { isValidTag } from '../domain/image-reference';
import { RegistryTrouble, type TagsAnswer } from './answers';
import { ask, type Session } from './ask';
import type { Exchanged } from './exchange';
import { readJson } from './json-body';
import { saysAbsent } from './says-absent';
import { apiUrl } from './settings';

export interface ListLimits {
  pages: number;
  /** Of all pages together. */
  bytes: number;
}

/** The most that Distribution 3 gives on a page, and ECR. */
const PAGE_SIZE = 1000;

const TagList = z.object({ tags: z.array(z.string()).nullish() });

/**
 * The tags of a repository, page by page.
 * @throws RegistryTrouble
 */
export async function listTags(
  session: Session,
  { repository, signal }: { repository: string; signal: AbortSignal },
  limits: ListLimits,
): Promise<TagsAnswer> {
  const { host } = session.settings;
  const tags = new Set<string>();
  const seen = new Set<string>();
  let bytesLeft = limits.bytes;
  let next: URL | null = new URL(`v2/${repository}/tags/list?n=${PAGE_SIZE}`, apiUrl(session.settings));
  while (next !== null && seen.size < limits.pages) {
    if (seen.has(next.href)) throw new RegistryTrouble('unclear', `${host} sends from page to page in a circle`);
    seen.add(next.href);
    const page = await ask(session, {
      method: 'GET',
      ...{ repository, at: next, accept: 'application/json', limitBytes: bytesLeft, signal },
    });
    if (page.status !== 200) return saysAbsent(page, host);
    const list = readJson(TagList, page.body);
    if (list === null) throw new RegistryTrouble('unclear', `${host} answers the question for tags with no list`);
    bytesLeft -= page.body.length;
    // What cannot be pulled is no tag.
    for (const tag of list.tags ?? []) if (isValidTag(tag)) tags.add(tag);
    next = nextPage(page.headers['link'], next, host);
  }
  return { kind: 'found', tags: [...tags], complete: next === null };
}

/** @throws RegistryTrouble for a page elsewhere: it would be asked with credentials. */
function nextPage(link: Exchanged['headers'][string], from: URL, host: string): URL | null {
  const target = /<([^<>]{1,4096})>\s*;[^,<]*\brel\s*=\s*"?next\b/i.exec(String(link ?? '').slice(0, 8192))?.[1];
  if (target === undefined) return null;
  const url = URL.canParse(target, from.href) ? new URL(target, from) : null;
  if (url?.origin !== from.origin)
    throw new RegistryTrouble('untrusted', `${host} has its next page of tags at ${url?.host ?? 'no address'}`);
  return url;
}
