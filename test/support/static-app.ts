import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

const run = promisify(execFile);

/**
 * The whole of an image: `/app` serves HTTP on $PORT where that is set, else just waits. `/app version` prints its version,
 * which is how a test asks a container what really runs in it.
 */
const SOURCE = `
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
int main(int count, char **given) {
  if (count > 1 && strcmp(given[1], "version") == 0) { puts(VERSION); return 0; }
  if (EXITS) { fputs("cannot start\\n", stderr); return EXITS; }
  signal(SIGTERM, end);
  signal(SIGINT, end);
  const char *port = getenv("PORT");
  if (port == NULL) for (;;) pause();
  int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listening, (struct sockaddr *)&place, sizeof place) != 0 || listen(listening, 16) != 0) { perror("listen"); return 9; }
  for (;;) {
    char asked[2048];
    int client = accept(listening, NULL, NULL);
    if (client < 0) continue;
    if (read(client, asked, sizeof asked) > 0) dprintf(client, "HTTP/1.0 " STATUS "\\r\\nconnection: close\\r\\n\\r\\n" VERSION "\\n");
    close(client);
  }
}
`;

export interface AppVersion {
  version: string;
  /** Exits with this code instead of running. */
  exits?: number;
  /** What it answers over HTTP; default 200 OK. */
  status?: string;
  /** So many bytes of noise beside it, for an image that takes its time. */
  ballast?: Buffer;
}

export interface BuiltApp {
  layer: Buffer;
  tarDigest: string;
}

/** Compiles a version and packs it as the one layer of an image. */
export async function buildApp({ version, exits = 0, status = '200 OK', ballast }: AppVersion): Promise<BuiltApp> {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-app-'));
  try {
    writeFileSync(join(directory, 'app.c'), SOURCE);
    const defines = [`-DVERSION="${version}"`, `-DEXITS=${String(exits)}`, `-DSTATUS="${status}"`];
    await run('gcc', ['-static', '-O1', '-s', ...defines, '-o', 'app', 'app.c'], { cwd: directory });
    if (ballast !== undefined) writeFileSync(join(directory, 'ballast'), ballast);
    const names = ['app', ...(ballast === undefined ? [] : ['ballast'])];
    await run('tar', ['--owner=0', '--group=0', '-cf', 'layer.tar', ...names], { cwd: directory });
    const tar = readFileSync(join(directory, 'layer.tar'));
    return { layer: gzipSync(tar, { level: 1 }), tarDigest: digestOf(tar) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export interface Place {
  /** host:port */
  registry: string;
  repository: string;
  tag: string;
  /** Of an `Authorization` header. */
  authorization?: string;
}

/** Pushes it as a client does: blobs, manifest, and the index that the tag names. @returns the digest of the index. */
export async function pushApp({ layer, tarDigest }: BuiltApp, place: Place): Promise<string> {
  const base = `http://${place.registry}/v2/${place.repository}`;
  const platform = { architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux' };
  const config = json({
    ...platform,
    config: { Entrypoint: ['/app'] },
    rootfs: { type: 'layers', diff_ids: [tarDigest] },
  });
  const send = async (url: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (place.authorization !== undefined) headers.set('authorization', place.authorization);
    const answer = await fetch(url, { ...init, headers });
    if (!answer.ok) throw new Error(`${url} answered ${String(answer.status)}: ${await answer.text()}`);
    return answer;
  };
  for (const blob of [layer, config]) {
    const started = await send(`${base}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(started.headers.get('location') ?? '', base);
    location.searchParams.set('digest', digestOf(blob));
    await send(location.href, { method: 'PUT', body: new Uint8Array(blob) });
  }
  const described = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const manifest = json({
    ...{ schemaVersion: 2, mediaType: types.manifest, config: described(types.config, config) },
    layers: [described(types.layer, layer)],
  });
  const index = json({
    ...{ schemaVersion: 2, mediaType: types.index },
    manifests: [{ ...described(types.manifest, manifest), platform }],
  });
  const put = (reference: string, mediaType: string, bytes: Buffer) =>
    send(`${base}/manifests/${reference}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body: new Uint8Array(bytes),
    });
  await put(digestOf(manifest), types.manifest, manifest);
  await put(place.tag, types.index, index);
  return digestOf(index);
}

const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
