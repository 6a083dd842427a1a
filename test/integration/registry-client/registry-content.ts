import { createHash } from 'node:crypto';

export const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  oci: 'application/vnd.oci.image.manifest.v1+json',
  docker: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.oci.image.config.v1+json',
};

export interface Content {
  mediaType: string;
  bytes: Buffer;
  digest: string;
}

export function content(mediaType: string, value: unknown): Content {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
  return { mediaType, bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

const descriptor = ({ mediaType, digest, bytes }: Content) => ({ mediaType, digest, size: bytes.length });

/** An image of one layer, for one platform. */
export function image(platform: object, mediaType = types.oci): { manifest: Content; config: Content; layer: Content } {
  const layer = content('application/vnd.oci.image.layer.v1.tar+gzip', Buffer.from(JSON.stringify(platform)));
  const config = content(types.config, { ...platform, rootfs: { type: 'layers', diff_ids: [] } });
  const manifest = content(mediaType, {
    ...{ schemaVersion: 2, mediaType },
    ...{ config: descriptor(config), layers: [descriptor(layer)] },
  });
  return { manifest, config, layer };
}

export function index(entries: readonly [Content, object | undefined][], mediaType = types.index): Content {
  const manifests = entries.map(([entry, platform]) => ({
    ...descriptor(entry),
    ...(platform === undefined ? {} : { platform }),
  }));
  return content(mediaType, { schemaVersion: 2, mediaType, manifests });
}

/** Over the registry's HTTP API. */
export async function pushBlob(base: string, blob: Content): Promise<void> {
  const started = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(started.headers.get('location') ?? '', base);
  location.searchParams.set('digest', blob.digest);
  await expectOk(fetch(location, { method: 'PUT', body: new Uint8Array(blob.bytes) }));
}

export async function pushManifest(base: string, reference: string, manifest: Content): Promise<void> {
  const headers = { 'content-type': manifest.mediaType };
  const body = new Uint8Array(manifest.bytes);
  await expectOk(fetch(`${base}/manifests/${reference}`, { method: 'PUT', headers, body }));
}

export async function pushImage(base: string, reference: string, pushed: ReturnType<typeof image>): Promise<void> {
  await pushBlob(base, pushed.layer);
  await pushBlob(base, pushed.config);
  await pushManifest(base, reference, pushed.manifest);
}

async function expectOk(answer: Promise<Response>): Promise<void> {
  const response = await answer;
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
}
