/** Docker's and OCI's manifests, lists and indexes, whatever their version; layers and configurations are none. */
const MANIFEST = /\.(?:manifest|image\.index)\b/;

/** False for a blob. A sender that does not say what was pushed announces manifests alone. */
export function mayBeManifest(mediaType: string | null | undefined): boolean {
  return mediaType == null || mediaType === '' || MANIFEST.test(mediaType.toLowerCase());
}
