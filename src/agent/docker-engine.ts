import Docker from 'dockerode';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engine';
import { labels, type ContainerBody } from './rules/container-body';
import { seenContainer } from './rules/inspected-container';
import type { SeenContainer } from './rules/seen-container';

const EXEC_POLL_MS = 100;
/** The grace time of a stop is waited out by the engine, in the request. */
const REQUEST_LIMIT_MS = 120_000;

/** Docker's Engine API over a Unix socket, which Podman speaks, too. */
export function dockerEngine(socketPath: string, deviceUuid: string): Engine {
  const docker = new Docker({ socketPath, timeout: REQUEST_LIMIT_MS });
  // Without the limit on a request: a pull takes as long as its signal lets it.
  const pulling = new Docker({ socketPath });
  return {
    async containers() {
      const listed = await docker.listContainers({
        all: true,
        filters: { label: [`${labels.device}=${deviceUuid}`] },
      });
      const found = await Promise.all(listed.map(({ Id }) => orNull(docker.getContainer(Id).inspect())));
      return found.flatMap((inspected) => (inspected === null ? [] : seen(inspected)));
    },
    async image(reference) {
      const found = await orNull(docker.getImage(reference).inspect());
      if (found === null) return null;
      const repoDigests = (found.RepoDigests as string[] | null) ?? [];
      const digest = repoDigests.length > 1 ? await listedDigest(docker, found.Id) : null;
      return { id: found.Id, repoDigests, digest };
    },
    async pull(reference, auth, signal) {
      const options = { abortSignal: signal, ...(auth === null ? {} : { authconfig: auth }) };
      const stream = await pulling.pull(reference, options);
      return pulledDigestOf(pulling, stream, signal);
    },
    async create(name, body) {
      try {
        await docker.createContainer({ name, ...body });
      } catch (error) {
        if (statusOf(error) !== 409) throw error;
        const holder = await orNull(docker.getContainer(name).inspect());
        if (holder !== null && !hasLabels(holder, body.Labels))
          throw Object.assign(new Error(`the name ${name} is taken by another container`), { statusCode: 409 });
      }
    },
    async ensureNetwork(name) {
      if ((await orNull(docker.getNetwork(name).inspect())) !== null) return;
      await ignoring([409], docker.createNetwork({ Name: name, Labels: { [labels.device]: deviceUuid } }));
    },
    async connect(network, containerName, alias) {
      const EndpointConfig = { Aliases: [alias] };
      await ignoring([403], docker.getNetwork(network).connect({ Container: containerName, EndpointConfig }));
    },
    async start(id) {
      await ignoring([304], docker.getContainer(id).start());
    },
    async stop(id, graceSeconds) {
      await ignoring([304, 404], docker.getContainer(id).stop({ t: graceSeconds }));
    },
    async remove(id) {
      await ignoring([404], docker.getContainer(id).remove({ force: true }));
    },
    exec: (id, command, timeoutMs) => runCommand(docker, id, command, timeoutMs),
  };
}

function seen(inspected: Docker.ContainerInspectInfo): SeenContainer[] {
  const container = seenContainer(inspected);
  return container === null ? [] : [container];
}

function hasLabels({ Config: { Labels: given } }: Docker.ContainerInspectInfo, wanted: ContainerBody['Labels']) {
  const theirs = (given as Record<string, string> | null) ?? {};
  return [labels.device, labels.service, labels.spec].every((label) => theirs[label] === wanted[label]);
}

/** Podman's `RepoDigests` hold index and manifest alike; its list says by which of them the image came. */
async function listedDigest(docker: Docker, id: string): Promise<string | null> {
  const listed: (Docker.ImageInfo & { Digest?: string })[] = await docker.listImages();
  return listed.find((image) => image.Id === id)?.Digest ?? null;
}

/** Follows a pull to its end. Docker names the digest in a line of its own; Podman does not. */
function pulledDigestOf(docker: Docker, stream: NodeJS.ReadableStream, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let digest: string | null = null;
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    const modem = docker.modem as unknown as PullFollower;
    modem.followProgress(
      stream,
      (error, lines) => {
        signal.removeEventListener('abort', abort);
        const refusal = lines.find((line) => line.error !== undefined)?.error;
        if (error != null || refusal !== undefined) reject(error ?? new Error(refusal));
        else resolve(digest);
      },
      ({ status }) => {
        digest = /^Digest: (sha256:[0-9a-f]{64})$/.exec(status ?? '')?.[1] ?? digest;
      },
    );
  });
}

interface PullLine {
  status?: string;
  error?: string;
}

/** docker-modem has no types of its own for this. */
interface PullFollower {
  followProgress(
    stream: NodeJS.ReadableStream,
    onFinished: (error: Error | null | undefined, lines: readonly PullLine[]) => void,
    onProgress: (line: PullLine) => void,
  ): void;
}

async function runCommand(docker: Docker, id: string, command: readonly string[], timeoutMs: number): Promise<number> {
  const exec = await docker.getContainer(id).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({ hijack: false, stdin: false });
  stream.resume();
  const deadline = Date.now() + timeoutMs;
  try {
    for (;;) {
      const { Running: running, ExitCode: code } = await exec.inspect();
      if (!running && code !== null) return code;
      if (Date.now() > deadline) throw new Error(`no end within ${timeoutMs / 1000} s`);
      await sleep(EXEC_POLL_MS);
    }
  } finally {
    stream.destroy();
  }
}

async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}

/** Answers that say that it is so already. */
async function ignoring(statuses: readonly number[], asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!statuses.includes(statusOf(error) ?? 0)) throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}
