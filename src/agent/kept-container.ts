import type { Logger } from '../log';
import type { Engine } from './engine';
import { crashBackOffMs } from './rules/next-step';
import type { ProbeSummary } from './rules/probe-log';
import type { SeenContainer } from './rules/seen-container';
import { lastExit } from './rules/trial';
import type { ServiceState } from './rules/service-report';
import type { WantedService } from './rules/wanted-service';

/** As long as the longest wait before a restart, twice: who runs for it has recovered. */
const FORGIVEN_AFTER_MS = 600_000;

export interface KeptOptions {
  engine: Engine;
  times: { settleMs: number; stopSeconds: number };
  log: Logger;
}

export type Kept = Pick<ServiceState, 'status' | 'health' | 'message'> & { changed: boolean };

/** Looks after a container that has proven itself: starts it again, with longer and longer waits, and tells what it saw. */
export class KeptContainer {
  readonly #options: KeptOptions;
  #id = '';
  #restarts = 0;
  #tries = 0;
  #startAtMs = 0;
  /** What it does not count as running for, until it has settled again. */
  #crash: string | null = null;

  constructor(options: KeptOptions) {
    this.#options = options;
  }

  async lookAfter(container: SeenContainer, wanted: WantedService, probes: ProbeSummary | null): Promise<Kept> {
    const first = container.id !== this.#id;
    if (first) this.#begin(container);
    if (container.state !== 'running') return this.#ended(container, wanted, first);
    if (container.restarts > this.#restarts) this.#crash = `restarted by the engine${lastExit(container)}`;
    this.#restarts = container.restarts;
    if (probes?.dead === true) return this.#dead(container, probes.problem);
    const settled = Date.now() - container.startedAtMs >= this.#options.times.settleMs;
    if (this.#crash !== null && !settled) return said('exited', 'unhealthy', `CrashLoopBackOff: ${this.#crash}`);
    if (settled) this.#crash = null;
    // Without a problem its probes have only not been asked often enough yet: the agent was started after it.
    if (probes?.ready === false && probes.problem !== null) return said('running', 'unhealthy', probes.problem);
    if (Date.now() - container.startedAtMs >= FORGIVEN_AFTER_MS) this.#tries = 0;
    return said('running', 'healthy', null);
  }

  #begin(container: SeenContainer): void {
    this.#id = container.id;
    this.#restarts = container.restarts;
    this.#tries = 0;
    this.#startAtMs = 0;
    this.#crash = null;
  }

  async #ended(container: SeenContainer, wanted: WantedService, first: boolean): Promise<Kept> {
    const code = `exited with code ${container.exitCode}`;
    if (wanted.config.restart === 'no' || (wanted.config.restart.startsWith('on-failure') && container.exitCode === 0))
      return said('exited', null, code);
    // Seen for the first time, it went down with the machine: that is nobody's crash.
    if (!first && this.#crash !== code) {
      this.#crash = code;
      this.#startAtMs = Date.now() + (this.#tries === 0 ? 0 : crashBackOffMs(this.#tries));
    }
    if (Date.now() < this.#startAtMs) return said('exited', 'unhealthy', `CrashLoopBackOff: ${code}`);
    this.#tries += 1;
    this.#startAtMs = Date.now() + crashBackOffMs(this.#tries);
    this.#options.log.info({ container: container.name, code: container.exitCode }, 'starting it again');
    await this.#options.engine.start(container.id);
    return first
      ? { ...said('updating', null, 'started with the agent'), changed: true }
      : { ...said('exited', 'unhealthy', `CrashLoopBackOff: ${code}`), changed: true };
  }

  async #dead(container: SeenContainer, problem: string | null): Promise<Kept> {
    const reason = `HealthCheckFailed: ${problem ?? 'a liveness probe'}`;
    if (Date.now() < this.#startAtMs) return said('running', 'unhealthy', reason);
    this.#tries += 1;
    this.#startAtMs = Date.now() + crashBackOffMs(this.#tries);
    this.#options.log.warn({ container: container.name, reason }, 'starting it again');
    await this.#options.engine.stop(container.id, this.#options.times.stopSeconds);
    await this.#options.engine.start(container.id);
    return { ...said('running', 'unhealthy', reason), changed: true };
  }
}

function said(status: ServiceState['status'], health: ServiceState['health'], message: string | null): Kept {
  return { status, health, message, changed: false };
}
