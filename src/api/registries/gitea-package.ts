import { z } from 'zod';
import { eventIdentity } from './event-identity';
import { givenText, hintText } from './given-text';
import type { Delivery, Source } from './kind';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type ParsedDelivery } from './push';
import { parseJson, readBody, readJson } from './read-body';
import { readTime } from './read-time';
import { storable } from './storable';
import { usablePush } from './usable-push';

export const FORM = 'application/x-www-form-urlencoded';

const Event = z.object({ action: z.string(), package: z.unknown().optional() });
const AnyPackage = z.object({ type: z.string() });
const Container = z.object({
  owner: z.object({ login: z.string().min(1) }),
  name: z.string().min(1),
  version: givenText,
  html_url: givenText,
  created_at: hintText,
});

/**
 * The `package` event of a container: of each manifest one, of which only those pushed by a tag have one as `version`. The
 * digest is not told.
 * @throws UnreadableDelivery naming the field.
 */
export function parseGiteaPackage(
  delivery: Delivery,
  source: Pick<Source, 'registryHost' | 'repositories'>,
): ParsedDelivery {
  const skipped = (what: string): ParsedDelivery => ({ items: [], skipped: [storable(what)] });
  const name = ownHeader(delivery, 'event');
  if (name === null) throw new UnreadableDelivery('X-Gitea-Event', 'the header is needed');
  // The test button sends a push of commits.
  if (name !== 'package') return skipped(name);
  const event = readBody(Event, bodyOf(delivery));
  if (event.action !== 'created') return skipped(`package ${event.action}`);
  const { type } = readBody(AnyPackage, event.package, 'package');
  if (type !== 'container') return skipped(`package of type ${type}`);

  const pushed = readBody(Container, event.package, 'package');
  if (pushed.version === null) return skipped('push of an untagged manifest');
  const announced = {
    // Owners are shown in their own capitals, under which nothing can be pulled; packages are stored without any.
    imageName: `${pushed.owner.login.toLowerCase()}/${pushed.name}`,
    tag: pushed.version,
    digest: null,
    eventId: eventIdentity(ownHeader(delivery, 'delivery')),
  };
  const found = pullReference(source, {
    host: hostOf(pushed.html_url),
    hostField: 'package.html_url',
    repository: announced.imageName,
  });
  if ('reason' in found) return { items: [unusablePush({ ...announced, reason: found.reason })], skipped: [] };
  const pushedAt = readTime(pushed.created_at);
  return { items: [usablePush({ ...announced, reference: found.reference, pushedAt })], skipped: [] };
}

/**
 * Forgejo sends both, with the same values. Each also sends X-Gogs-* and X-GitHub-*, at which nothing looks: those are the
 * words of other senders.
 */
function ownHeader(delivery: Pick<Delivery, 'header'>, name: string): string | null {
  const values = [delivery.header(`x-gitea-${name}`), delivery.header(`x-forgejo-${name}`)];
  return values.find((value) => value !== null && value !== '') ?? null;
}

/** The JSON of a form delivery, before it is known to be any; null where there is none. */
export function formPayload({ raw, contentType }: Pick<Delivery, 'raw' | 'contentType'>): string | null {
  return contentType === FORM ? new URLSearchParams(raw.toString('utf8')).get('payload') : null;
}

function bodyOf(delivery: Delivery): unknown {
  if (delivery.contentType !== FORM) return readJson(delivery.raw);
  const payload = formPayload(delivery);
  if (payload === null) throw new UnreadableDelivery('payload', 'is needed');
  return parseJson(payload, 'payload');
}

/** The registry shares its host, and its port where it has one, with the pages; their path is none of the image's name. */
function hostOf(url: string | null): string {
  if (url === null || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return '';
  return new URL(url).host;
}
