/** A container of the agent as its engine describes it. */
export interface SeenContainer {
  id: string;
  name: string;
  /** The service it belongs to, and what it was made from: both from its labels. */
  key: string;
  spec: string;
  imageName: string;
  /** `created` was never started. */
  state: 'created' | 'running' | 'exited';
  exitCode: number;
  /** Its restart policy's name. */
  restart: string;
  restarts: number;
  createdAtMs: number;
  startedAtMs: number;
  /** Of the image's own HEALTHCHECK, where it has one and the engine runs it. */
  engineHealth: 'starting' | 'healthy' | 'unhealthy' | null;
  imageId: string;
  /** It shares the machine's network: its ports are the machine's. */
  hostNetwork: boolean;
  hostPorts: readonly string[];
  /** Volumes that it may write to. */
  writes: readonly string[];
  /** Where it is reached from this machine when it shares neither the network nor a port. */
  address: string | null;
}

/** Two containers that cannot run at once: they would fight for a port, or write to the same volume. */
export function collide(one: SeenContainer, other: SeenContainer): boolean {
  if (one.hostNetwork && other.hostNetwork) return true;
  return (
    one.hostPorts.some((port) => other.hostPorts.includes(port)) ||
    one.writes.some((volume) => other.writes.includes(volume))
  );
}
