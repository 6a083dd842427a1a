import { askProbe } from './ask-probe';
import type { Engine } from './engine';
import { afterProbe, isDue, newProbeLog, summarizeProbes, type ProbeLog, type ProbeSummary } from './rules/probe-log';
import type { SeenContainer } from './rules/seen-container';
import type { ServiceConfig } from './rules/service-config';

/** The probes of the container that a service runs now. Another container, or another start of it, begins anew. */
export class ContainerProbes {
  readonly #engine: Engine;
  #of = '';
  #logs: ProbeLog[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Asks those that are due and sums up; a container without probes is ready. */
  async ask(container: SeenContainer, config: ServiceConfig): Promise<ProbeSummary> {
    const { probes } = config;
    const of = JSON.stringify([container.id, container.startedAtMs, probes]);
    if (of !== this.#of) {
      this.#of = of;
      this.#logs = probes.map((probe) => newProbeLog(probe, container.startedAtMs));
    }
    const asked = this.#logs;
    const due = probes.map((probe, index) => {
      const log = asked[index];
      return log !== undefined && isDue(probe, log, probes, asked, Date.now());
    });
    this.#logs = await Promise.all(
      asked.map(async (log, index) => {
        const probe = probes[index];
        if (probe === undefined || due[index] !== true) return log;
        return afterProbe(probe, log, await askProbe(this.#engine, probe, container, config), Date.now());
      }),
    );
    return summarizeProbes(probes, this.#logs);
  }
}
