import { RegistryTrouble } from './answers';

export interface Pass {
  /** The registry did not answer, or not as one: it is left alone for a while. */
  failed(trouble: RegistryTrouble): void;
  /** To be called once, whatever came of it. */
  leave(succeeded: boolean): void;
}

/** Before one registry: so many at once, and none while it is left alone. */
export interface Gate {
  /** @throws RegistryTrouble while it is closed. */
  enter(): Promise<Pass>;
}

/** The first failure costs a moment, a registry that is down for hours one question in five minutes. */
export interface GateLimits {
  atOnce: number;
  firstWaitMs: number;
  longestWaitMs: number;
}

/** More would wait longer than anyone waits for them. */
const MAX_WAITING = 500;

export function createGate(host: string, limits: GateLimits): Gate {
  const waiting: (() => void)[] = [];
  let inside = 0;
  let failures = 0;
  let closed: { until: number; trouble: RegistryTrouble } | undefined;

  function checkOpen(): void {
    const leftMs = closed === undefined ? 0 : closed.until - Date.now();
    if (closed === undefined || leftMs <= 0) return;
    const seconds = Math.ceil(leftMs / 1000);
    const { reason, message } = closed.trouble;
    throw new RegistryTrouble(reason, `${host} is left alone for ${seconds} s: ${message}`, seconds);
  }

  function leave(): void {
    const next = waiting.shift();
    // The place goes on to whoever waits, so that nobody who comes between takes it.
    if (next === undefined) inside -= 1;
    else next();
  }

  return {
    async enter() {
      checkOpen();
      if (inside < limits.atOnce) inside += 1;
      else if (waiting.length >= MAX_WAITING)
        throw new RegistryTrouble('limited', `${MAX_WAITING} questions to ${host} are waiting already`, 10);
      else await new Promise<void>((resolve) => void waiting.push(resolve));
      try {
        checkOpen();
      } catch (error) {
        leave();
        throw error;
      }
      const failuresAtStart = failures;
      return {
        failed(trouble) {
          // Those that went in together fail together: that is one failure.
          if (failures === failuresAtStart) failures += 1;
          const until = Date.now() + waitMs(failures, trouble.retryAfterSeconds, limits);
          if (closed === undefined || until > closed.until) closed = { until, trouble };
        },
        leave(succeeded) {
          if (succeeded) failures = 0;
          leave();
        },
      };
    },
  };
}

/** Never before the time that the registry said; with jitter, so that several processes do not come back together. */
function waitMs(failures: number, saidSeconds: number | undefined, limits: GateLimits): number {
  if (saidSeconds !== undefined) return saidSeconds * 1000 * (1 + Math.random() / 10);
  const wait = Math.min(limits.firstWaitMs * 2 ** Math.min(failures - 1, 20), limits.longestWaitMs);
  return wait * (0.5 + Math.random() / 2);
}
