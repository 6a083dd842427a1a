import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Engine } from './engine';
import type { SeenContainer } from './rules/seen-container';
import type { Probe, ServiceConfig } from './rules/service-config';

/** Asks one probe of one container; null when it passed, else what is wrong in a sentence. Never throws. */
export async function askProbe(
  engine: Engine,
  probe: Probe,
  container: SeenContainer,
  config: ServiceConfig,
): Promise<string | null> {
  const { check, timeoutMs } = probe;
  try {
    switch (check.kind) {
      case 'exec': {
        const code = await engine.exec(container.id, check.command, timeoutMs);
        return code === 0 ? null : `exec ${check.command[0] ?? ''} ended with ${code}`;
      }
      case 'tcp':
        await connectOnce(placeOf(check.port, container, config), timeoutMs);
        return null;
      case 'http': {
        const status = await statusOf(check, placeOf(check.port, container, config), timeoutMs);
        return status >= 200 && status < 400 ? null : `http ${check.path} on ${check.port} answered ${status}`;
      }
    }
  } catch (error) {
    const what = check.kind === 'exec' ? `exec ${check.command[0] ?? ''}` : `${check.kind} on ${check.port}`;
    return `${what}: ${error instanceof Error ? error.message : String(error)}`.slice(0, 300);
  }
}

interface Place {
  host: string;
  port: number;
}

/** A probe names the container's port: it is reached by its published port, else by the container's own address. */
function placeOf(port: number, container: SeenContainer, config: ServiceConfig): Place {
  if (container.hostNetwork) return { host: '127.0.0.1', port };
  const published = config.ports.find(({ containerPort, hostPort }) => containerPort === port && hostPort !== null);
  if (published?.hostPort != null) {
    const { hostAddress, hostPort } = published;
    return { host: hostAddress === null || hostAddress === '0.0.0.0' ? '127.0.0.1' : hostAddress, port: hostPort };
  }
  return { host: container.address ?? '127.0.0.1', port };
}

function connectOnce({ host, port }: Place, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no connection within ${timeoutMs / 1000} s`)));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}

function statusOf(check: { path: string; secure: boolean }, { host, port }: Place, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    // A container's certificate is for its clients; here it is only asked whether it answers.
    // The limit is on the whole answer, not on its pauses: a server that drips its header must not hold the agent up.
    const signal = AbortSignal.timeout(timeoutMs);
    const options = { host, port, path: check.path, signal, agent: false, rejectUnauthorized: false };
    const asked = (check.secure ? httpsRequest : httpRequest)(options, (response) => {
      resolve(response.statusCode ?? 0);
      // What it says beside its status is not read, and may never end.
      response.destroy();
    });
    asked.on('error', (error) => {
      reject(signal.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`) : error);
    });
    asked.end();
  });
}
