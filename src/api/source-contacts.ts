import type { Logger } from '../log';
import { createBoundedMap } from '../registry-client/bounded-map';
import type { Metrics } from './metrics';
import { createPerMinute } from './per-minute';
import type { Answer } from './route';

/** Anybody can be refused, as often as they like: further ones of a minute are counted, and said with the next line. */
const LINES_A_MINUTE = 10;
/** Of deliveries that proved themselves and could not be read; enough to see what a sender sends. */
const KEPT_A_MINUTE = 10;
/** A reason is a sentence; what is longer quotes something. */
const REASON_LENGTH = 500;
const MAX_SOURCES = 1000;

export interface RefusedContact {
  /** Null where there is no such source: its name is the stranger's, and is kept nowhere. */
  source: string | null;
  /** Null where the source could not be read. */
  kind: string | null;
  status: number;
  /** For whoever runs the installation. Holds no secret. */
  reason: string;
  request: Readonly<Record<string, unknown>>;
}

export interface LastContacts {
  acceptedAt: Date | null;
  refused: { at: Date; status: number; reason: string } | null;
}

/**
 * What each source sent last and how that was answered, in this process's memory: a refusal, which anybody can cause, writes
 * nothing. Several processes know their own part only; /metrics and the log are added up over them.
 */
export interface SourceContacts {
  accepted(source: string, kind: string, answer: Answer): void;
  refused(contact: RefusedContact): void;
  /** True while few enough unreadable deliveries of this source were kept in this minute. */
  mayKeep(source: string): boolean;
  of(source: string): LastContacts;
  forget(source: string): void;
}

export function createSourceContacts({ log, metrics }: { log: Logger; metrics: Metrics }): SourceContacts {
  const last = createBoundedMap<LastContacts>(MAX_SOURCES);
  const passesLog = createPerMinute(LINES_A_MINUTE);
  const passesTable = createPerMinute(KEPT_A_MINUTE);
  const of = (source: string) => last.get(source) ?? { acceptedAt: null, refused: null };

  return {
    accepted(source, kind, answer) {
      last.set(source, { ...of(source), acceptedAt: new Date() });
      for (const outcome of outcomesOf(answer)) metrics.deliveries.inc({ kind, outcome, status: answer.status });
    },
    refused({ source, kind, status, reason: whole, request }) {
      const reason = whole.slice(0, REASON_LENGTH);
      if (source !== null) last.set(source, { ...of(source), refused: { at: new Date(), status, reason } });
      metrics.deliveries.inc({ kind: kind ?? 'unknown', outcome: 'refused', status });
      const { passes, heldBack } = passesLog(source ?? '');
      if (!passes) return;
      const about = source === null ? 'a delivery' : `a delivery to source ${source}`;
      const unsaid = heldBack === 0 ? {} : { refused_unsaid: heldBack };
      log.warn({ ...request, source, status, ...unsaid }, `${about} was refused: ${reason}`);
    },
    mayKeep: (source) => passesTable(source).passes,
    of,
    forget: (source) => {
      last.delete(source);
    },
  };
}

function outcomesOf({ body }: Answer): string[] {
  const { outcome, results } = body as { outcome: string; results: { outcome: string }[] };
  return results.length === 0 ? [outcome] : results.map((one) => one.outcome);
}
