/** Signatures, attestations and SBOMs are stored under `sha256-<hex>[.sig|.att|.sbom]` where a registry knows no referrers. */
const FALLBACK_TAG = /^sha(?:256|384|512)-[0-9a-f]{64,128}(?:\..+)?$/;

/** True for a tag that holds something about a release and not a release. */
export function isArtifactTag(tag: string): boolean {
  return FALLBACK_TAG.test(tag);
}
