import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config';
import { findOnPath } from '../../src/dev/find-on-path';
import { startProcess, waitUntilReady } from '../../src/dev/managed-process';
import { removeDirectory } from './remove-directory';

const run = promisify(execFile);

export interface Podman {
  /** Docker's Engine API. */
  socket: string;
  /** `podman ps` of this engine alone. */
  ps(): Promise<string>;
  /** Of one label's value: the running containers' images, by name. */
  running(label: string): Promise<{ name: string; image: string; version: string }[]>;
  podman(...args: string[]): Promise<string>;
  close(): Promise<void>;
}

const PACKAGES = { podman: 'podman', runc: 'runc', gcc: 'gcc libc6-dev' } as const;

/**
 * Debian's Podman as root, in a directory of its own, so that no other engine of the machine is seen or touched. What its
 * containers.conf sets is for machines that are containers themselves: no systemd, no network of their own.
 */
export async function startPodman(insecureRegistries: readonly string[]): Promise<Podman> {
  const { PATH = '' } = loadConfig();
  for (const [program, packages] of Object.entries(PACKAGES))
    if (findOnPath(program, `${PATH}:/usr/sbin:/sbin`) === undefined)
      throw new Error(`${program} is not installed: apt-get install ${packages}`);
  if (process.getuid?.() !== 0) throw new Error('Podman with runc needs root here: run the tests as root');
  // Short, because a Unix socket's path has at most 107 characters.
  const directory = mkdtempSync(join(tmpdir(), 'fwp-'));
  mkdirSync(join(directory, 'config'));
  const write = (name: string, lines: string[]) => {
    writeFileSync(join(directory, name), `${lines.join('\n')}\n`);
    return join(directory, name);
  };
  const containers = write('containers.conf', [
    '[containers]',
    'netns = "host"',
    'default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]',
    '[engine]',
    'cgroup_manager = "cgroupfs"',
    'runtime = "runc"',
    'events_logger = "file"',
  ]);
  const registries = write(
    'registries.conf',
    insecureRegistries.map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true`),
  );
  const env = {
    ...process.env,
    CONTAINERS_CONF: containers,
    CONTAINERS_REGISTRIES_CONF: registries,
    XDG_CONFIG_HOME: join(directory, 'config'),
    TMPDIR: directory,
  };
  const place = ['root', 'runroot', 'tmpdir'].flatMap((name) => [`--${name}`, join(directory, name)]);
  const global = [...place, '--storage-driver', 'vfs'];
  const socket = join(directory, 'podman.sock');
  const service = await startProcess({
    name: 'Podman',
    command: 'podman',
    args: [...global, 'system', 'service', '--time', '0', `unix://${socket}`],
    logFile: join(directory, 'podman.log'),
    env,
  });
  const podman = async (...args: string[]) => (await run('podman', [...global, ...args], { env })).stdout;
  await waitUntilReady(service, 60_000, () => Promise.resolve(existsSync(socket)));
  return {
    socket,
    podman,
    ps: () => podman('ps', '--all', '--format', 'table {{.Names}}\t{{.Image}}\t{{.Status}}'),
    async running(label) {
      const format = '{{.Names}}\t{{.Image}}\t{{.ID}}';
      const text = await podman('ps', '--filter', `label=${label}`, '--format', format);
      return Promise.all(
        text
          .split('\n')
          .filter((line) => line !== '')
          .map(async (line) => {
            const [name = '', image = '', id = ''] = line.split('\t');
            return { name, image, version: (await podman('exec', id, '/app', 'version')).trim() };
          }),
      );
    },
    async close() {
      await podman('rm', '--all', '--force', '--time', '1').catch(() => undefined);
      await service.stop('SIGTERM', 5000);
      // Podman's own clearing up after each container may still be writing there.
      await removeDirectory(directory);
    },
  };
}
