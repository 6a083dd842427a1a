import { z } from 'zod';
import { isSigned } from '../verification/hmac';
import { bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { distributionContentTypes, parseDistribution } from './distribution';
import { parseDockerHub } from './dockerhub';
import { parseGitHubPackage } from './github-package';
import { anyJson, MEBIBYTE, type Delivery, type RegistryKind, type Source } from './kind';
import { UnreadableDelivery, unusablePush, type ParsedDelivery } from './push';
import { readJson } from './read-body';

/**
 * The one kind that tells its senders apart, as it always did: by content type, then GitHub's header, then the shape. Every
 * other kind has one format, because a sender that chooses its parser would choose the check it must pass.
 *
 * An authenticated body under Distribution's own content type that is no envelope is acknowledged and recorded rather than
 * refused: Distribution repeats a refused delivery without end and holds back every later push behind it. The same body
 * as plain JSON gets 422: its senders give up by themselves, and a person who tries it by hand is told what is wrong.
 * @throws UnreadableDelivery naming the field.
 */
function parseDockerRegistry(delivery: Delivery, source: Source): ParsedDelivery {
  if (distributionContentTypes.includes(delivery.contentType)) {
    try {
      return parseDistribution(readJson(delivery.raw), source);
    } catch (error) {
      if (!(error instanceof UnreadableDelivery)) throw error;
      const reason = `not an event envelope: ${error.path === '' ? '' : `${error.path}: `}${error.message}`;
      const item = unusablePush({ imageName: '', tag: null, digest: null, eventId: null, reason });
      return { skipped: [], items: [item], unreadable: reason };
    }
  }
  const event = delivery.header('x-github-event');
  const body = readJson(delivery.raw);
  if (event !== null) return parseGitHubPackage(body, event, delivery.header('x-github-delivery'));
  if (typeof body !== 'object' || body === null) throw noKnownForm();
  if ('events' in body) return parseDistribution(body, source);
  if (!('push_data' in body) && !('repository' in body)) throw noKnownForm();
  return parseDockerHub(body);
}

function noKnownForm(): UnreadableDelivery {
  return new UnreadableDelivery(
    '',
    'is none of the accepted forms: Docker Hub\'s {"repository": {"repo_name": ...}, "push_data": {"tag": ...}}, the event envelope {"events": [...]} of a Distribution registry, or a GitHub package event with its X-GitHub-Event header',
  );
}

/** The three ways, in words. */
const WAYS =
  'as "Authorization: Bearer <secret>", as X-Hub-Signature-256 (HMAC-SHA256 over the body), or in the URL as ?secret=<secret>';

/** The kind of the built-in source: the three bodies of the system before. */
export const dockerRegistry: RegistryKind = {
  name: 'docker-registry',
  title: 'Docker Hub, a Distribution registry or GitHub packages, told apart by what is sent',
  contentTypes: anyJson,
  // A push of an image with all its layers is some twenty events of one kilobyte.
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords: `the secret ${WAYS}`,
  options: z.strictObject({}),
  answers: { deadlineMs: 1000, unreadable: 'refuse', notApproved: 403 },
  repeatWindowSeconds: null,
  // A signature that is sent must be right, whatever else is sent. SHA-1 signatures alone prove nothing here.
  verify(delivery, { secrets }) {
    const signature = delivery.header('x-hub-signature-256');
    if (signature !== null) {
      if (isSigned([signature], delivery.raw, secrets, { algorithm: 'sha256', encoding: 'hex', prefix: 'sha256=' }))
        return { verified: true };
      return { verified: false, why: `its X-Hub-Signature-256 is not made with the secret, which may come ${WAYS}` };
    }
    const hasBearer = /^Bearer +./i.test(delivery.header('authorization') ?? '');
    const check = checkToken(delivery, secrets, [hasBearer ? bearer : secretInUrl]);
    if (check === 'right') return { verified: true };
    const brought = check === 'absent' ? 'does not bring' : 'brings another than';
    return { verified: false, why: `it ${brought} the secret, which may come ${WAYS}` };
  },
  read: parseDockerRegistry,
};
