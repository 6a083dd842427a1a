import type { Source } from './kind';

export interface AnnouncedPlace {
  /** As the event tells it; null for senders that do not say where they are. */
  host: string | null;
  /** The field, for the reason. */
  hostField: string;
  /** The sender's own name of a group of repositories (Nexus `repositoryName`, JFrog `repo_key`): a key of `repositories`. */
  within?: string | null;
  repository: string;
}

/**
 * The name under which an announced image is pulled: by what the operator said of this source, else by the event's host. The
 * group's own entry goes before the source's host, and both before what an event says of itself.
 */
export function pullReference(
  { registryHost, repositories }: Pick<Source, 'registryHost' | 'repositories'>,
  { host, hostField, within, repository }: AnnouncedPlace,
): { reference: string } | { reason: string } {
  const group = within != null && Object.hasOwn(repositories, within) ? repositories[within] : undefined;
  const configured = group ?? registryHost;
  if (configured != null) return { reference: `${configured}/${repository}` };
  // As the client that pushed wrote it. Without a dot or a port a capital is what makes it a host.
  if (host !== null && isPullHost(host))
    return { reference: `${/[.:]/.test(host) ? host.toLowerCase() : host}/${repository}` };
  const remedy =
    within == null
      ? 'give the source a "registry_host"'
      : `give it a place in the source's "repositories" (${JSON.stringify(within.slice(0, 100))}), or the source a "registry_host"`;
  if (host === null && hostField === '')
    return { reason: `this sender does not say where its images are pulled from: ${remedy}` };
  return { reason: `the event does not say a host that can be pulled from (${hostField}): ${remedy}` };
}

/**
 * Without a dot, a port or a capital a first part is read as a namespace on Docker Hub (`registry/app`): an internal short
 * name would then start a rollout of somebody else's image.
 */
export function isPullHost(host: string): boolean {
  return host === 'localhost' || (/[.:A-Z]/.test(host) && !host.includes('/'));
}
