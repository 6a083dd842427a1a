import { acr } from './acr';
import { alibaba } from './alibaba';
import { cloudevents } from './cloudevents';
import { distribution } from './distribution';
import { dockerRegistry } from './docker-registry';
import { dockerhub } from './dockerhub';
import { ecr } from './ecr';
import { eventgrid } from './eventgrid';
import { gar } from './gar';
import { generic } from './generic';
import { github } from './github';
import { gitea } from './gitea';
import { gitlab } from './gitlab';
import { harbor } from './harbor';
import { jfrog } from './jfrog';
import type { RegistryKind } from './kind';
import { msr } from './msr';
import { nexus } from './nexus';
import { quay } from './quay';
import { sns } from './sns';
import { tencent } from './tencent';
import { zot } from './zot';

/** Every kind of sender that is understood. One more is one file and one line here. */
const senders: readonly RegistryKind[] = [
  ...[dockerRegistry, dockerhub, distribution, github, jfrog, nexus],
  ...[ecr, gar, alibaba, tencent],
  gitlab,
  harbor,
  quay,
  gitea,
  msr,
  ...[acr, eventgrid, zot, cloudevents, generic],
];

/** With SNS, which brings what one of the others sends. */
export const registryKinds: readonly RegistryKind[] = [...senders, sns(senders)];

const byName = new Map(registryKinds.map((kind) => [kind.name, kind]));

export function findKind(name: string): RegistryKind | undefined {
  return byName.get(name);
}
