import type { ContainerBody } from './rules/container-body';
import type { EngineAuth } from './rules/registry-auth';
import type { SeenContainer } from './rules/seen-container';

export interface LocalImage {
  id: string;
  repoDigests: readonly string[];
  /** What it was pulled by, where the engine can say; Docker names it while it pulls instead. */
  digest: string | null;
}

/** A container engine, as far as the agent needs one. Errors carry the engine's own words. */
export interface Engine {
  /** All containers that carry the label of this device, running or not. */
  containers(): Promise<SeenContainer[]>;
  image(reference: string): Promise<LocalImage | null>;
  /** Resolves when the image is there, with the digest that the engine named, if it did. */
  pull(reference: string, auth: EngineAuth | null, signal: AbortSignal): Promise<string | null>;
  /** A container of that name that exists already is the one of an earlier try. */
  create(name: string, body: ContainerBody): Promise<void>;
  /** Makes a network, unless there is one of that name. */
  ensureNetwork(name: string): Promise<void>;
  connect(network: string, containerName: string, alias: string): Promise<void>;
  start(id: string): Promise<void>;
  /** SIGTERM, then SIGKILL after the grace time. One that does not run, or is gone, is no error. */
  stop(id: string, graceSeconds: number): Promise<void>;
  remove(id: string): Promise<void>;
  /** Runs a command in a container; answers its exit code. */
  exec(id: string, command: readonly string[], timeoutMs: number): Promise<number>;
}
