import { basic, bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { distribution, parseDistribution } from './distribution';
import type { RegistryKind } from './kind';
import { readJson } from './read-body';
import { storable } from './storable';

/**
 * The registry of a self-managed GitLab is a fork of Distribution: `registry['notifications']` of gitlab.rb, with static
 * headers. No webhook of a project tells of container images (its "Tag Push Hook" is about git), so one that is pointed here is
 * acknowledged and of no concern.
 */
export const gitlab: RegistryKind = {
  ...distribution,
  name: 'gitlab',
  title: "GitLab's container registry (self-managed)",
  proofInWords:
    'the secret in the Authorization header of the endpoint\'s `headers` (the whole value, as "Bearer <secret>", or as Basic\'s password), as X-Gitlab-Token, or in the URL as ?secret=<secret>',
  verify(delivery, { secrets }) {
    const headers = ['authorization', 'x-gitlab-token'].map((name) => ({ in: 'header' as const, name }));
    const check = checkToken(delivery, secrets, [...headers, bearer, basic, secretInUrl]);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read(delivery, source) {
    const hook = delivery.header('x-gitlab-event');
    if (hook !== null) return { items: [], skipped: [storable(hook)] };
    return parseDistribution(readJson(delivery.raw), source);
  },
};
