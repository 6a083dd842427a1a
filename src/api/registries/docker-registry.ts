import { distributionContentTypes, parseDistribution } from './distribution';
import { parseDockerHub } from './dockerhub';
import { parseGitHubPackage } from './github-package';
import { UnreadableDelivery, unusablePush, type ParsedDelivery } from './push';
import { readJson } from './read-body';

export interface RawDelivery {
  raw: Buffer;
  /** Lower case, without parameters; empty when the sender gave none. */
  contentType: string;
  /** One header's value, or null. */
  header(name: string): string | null;
}

/** True for what any registry sends: JSON under one of its names, or under none. Forms and text are refused with 415. */
export function isReadableContentType(contentType: string): boolean {
  return contentType === '' || /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json$/.test(contentType);
}

/**
 * The one route that tells its senders apart, as it always did: by content type, then GitHub's header, then the shape. Every
 * other source has its own route, because a sender that chooses its parser would choose the check it must pass.
 *
 * An authenticated body under Distribution's own content type that is no envelope is acknowledged and recorded rather than
 * refused: Distribution repeats a refused delivery without end and holds back every later push behind it. The same body
 * as plain JSON gets 422: its senders give up by themselves, and a person who tries it by hand is told what is wrong.
 * @throws UnreadableDelivery naming the field.
 */
export function parseDockerRegistry(delivery: RawDelivery): ParsedDelivery {
  if (distributionContentTypes.includes(delivery.contentType)) {
    try {
      return parseDistribution(readJson(delivery.raw));
    } catch (error) {
      if (!(error instanceof UnreadableDelivery)) throw error;
      const reason = `not an event envelope: ${error.path === '' ? '' : `${error.path}: `}${error.message}`;
      return { skipped: [], items: [unusablePush({ imageName: '', tag: null, digest: null, eventId: null, reason })] };
    }
  }
  const event = delivery.header('x-github-event');
  const body = readJson(delivery.raw);
  if (event !== null) return parseGitHubPackage(body, event, delivery.header('x-github-delivery'));
  if (typeof body !== 'object' || body === null) throw noKnownForm();
  if ('events' in body) return parseDistribution(body);
  if (!('push_data' in body) && !('repository' in body)) throw noKnownForm();
  return parseDockerHub(body);
}

function noKnownForm(): UnreadableDelivery {
  return new UnreadableDelivery(
    '',
    'is none of the accepted forms: Docker Hub\'s {"repository": {"repo_name": ...}, "push_data": {"tag": ...}}, the event envelope {"events": [...]} of a Distribution registry, or a GitHub package event with its X-GitHub-Event header',
  );
}
