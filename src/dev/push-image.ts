import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { tarWithOneFile } from './tar';

export interface PushImageOptions {
  /** host:port of a registry that speaks plain HTTP. */
  registry: string;
  repository: string;
  tag: string;
  /** Text of the image's only file; other text gives another digest. */
  content: string;
  format?: 'docker' | 'oci';
}

const MEDIA_TYPES = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
} as const;

interface Blob {
  bytes: Buffer;
  digest: string;
}

/** Pushes a real image with one layer over the registry's HTTP API: two blobs, then the manifest under its tag. */
export async function pushImage(options: PushImageOptions): Promise<{ digest: string }> {
  const base = `http://${options.registry}/v2/${options.repository}`;
  const types = MEDIA_TYPES[options.format ?? 'docker'];
  const tar = tarWithOneFile('content.txt', options.content);
  const layer = blobOf(gzipSync(tar));
  const config = blobOf(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { Labels: { 'dev.fleetwave.content': options.content } },
        rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      }),
    ),
  );
  await Promise.all([pushBlob(base, layer), pushBlob(base, config)]);
  const manifest = blobOf(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: types.manifest,
        config: { mediaType: types.config, size: config.bytes.length, digest: config.digest },
        layers: [{ mediaType: types.layer, size: layer.bytes.length, digest: layer.digest }],
      }),
    ),
  );
  await request(`${base}/manifests/${options.tag}`, {
    method: 'PUT',
    headers: { 'content-type': types.manifest },
    body: body(manifest),
  });
  return { digest: manifest.digest };
}

/** Upload in two steps as the specification has it; the location given by the registry may or may not carry a query. */
async function pushBlob(base: string, blob: Blob): Promise<void> {
  const started = await request(`${base}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(started.headers.get('location') ?? '', base);
  location.searchParams.set('digest', blob.digest);
  await request(location.href, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body: body(blob),
  });
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${url} answered ${response.status}: ${text}`);
  return response;
}

function blobOf(bytes: Buffer): Blob {
  return { bytes, digest: digestOf(bytes) };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function body(blob: Blob): Uint8Array<ArrayBuffer> {
  return new Uint8Array(blob.bytes);
}
