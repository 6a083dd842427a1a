import { distribution } from './distribution';
import { dockerRegistry } from './docker-registry';
import { dockerhub } from './dockerhub';
import { github } from './github';
import { jfrog } from './jfrog';
import type { RegistryKind } from './kind';
import { nexus } from './nexus';

/** Every kind of sender that is understood. One more is one file and one line here. */
export const registryKinds: readonly RegistryKind[] = [dockerRegistry, dockerhub, distribution, github, jfrog, nexus];

const byName = new Map(registryKinds.map((kind) => [kind.name, kind]));

export function findKind(name: string): RegistryKind | undefined {
  return byName.get(name);
}
