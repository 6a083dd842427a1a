/**
 * What registries keep beside images under tags like theirs, by the media type of an artifact or of its configuration: nothing
 * of it can be run. Other types, and none, may be an image's; a release is not dropped on a guess.
 */
const NOT_RUN: readonly [prefix: string, what: string][] = [
  ['application/vnd.cncf.helm.', 'push of a Helm chart'],
  ['application/vnd.dev.cosign.', 'push of a signature'],
  ['application/vnd.cncf.notary.', 'push of a signature'],
  ['application/vnd.in-toto', 'push of an attestation'],
  ['application/spdx', 'push of an SBOM'],
  ['application/vnd.cyclonedx', 'push of an SBOM'],
];

/** What was pushed instead of an image, or null where it may be one. */
export function pushedInstead(...mediaTypes: readonly (string | null | undefined)[]): string | null {
  for (const mediaType of mediaTypes) {
    const found = NOT_RUN.find(([prefix]) => mediaType?.toLowerCase().startsWith(prefix));
    if (found !== undefined) return found[1];
  }
  return null;
}
