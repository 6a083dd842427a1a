import { NO_ADDRESS, type CheckResult, type ProbeCheck } from '../domain/checks';
import { findAddress, realNames, type Names } from './address';
import { explain } from './explain';
import { getStatus } from './http';
import { connects } from './tcp';

export interface Prober {
  /** Looks once; never throws. `registered` is what an operator registered, and nothing else is ever connected to. */
  probe(check: ProbeCheck, registered: string | null): Promise<CheckResult>;
}

/** Makes `tcp` and `http` checks. Each has its own time; what does not answer in it does not hold. */
export function createProber(names: Names = realNames): Prober {
  return {
    async probe(check, registered) {
      if (registered === null) return { ok: false, said: NO_ADDRESS };
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), check.timeoutSeconds * 1000);
      try {
        return await Promise.race([look(check, registered, names, limit.signal), aborted(limit.signal)]);
      } catch (error) {
        const late = limit.signal.aborted;
        return { ok: false, said: late ? `no answer within ${check.timeoutSeconds} s` : explain(error) };
      } finally {
        clearTimeout(timer);
        limit.abort();
      }
    },
  };
}

async function look(check: ProbeCheck, registered: string, names: Names, signal: AbortSignal): Promise<CheckResult> {
  const found = await findAddress(registered, names);
  if (!found.ok) return found;
  signal.throwIfAborted();
  if (check.kind === 'tcp') {
    await connects({ host: found.address, port: check.port, signal });
    return { ok: true, said: 'connected' };
  }
  const status = await getStatus({ host: found.address, name: registered, port: check.port, path: check.path, signal });
  const ok = check.status === null ? status >= 200 && status <= 299 : status === check.status;
  return { ok, said: ok ? `answered ${status}` : `answered ${status} instead of ${check.status ?? '200 to 299'}` };
}

/** A name that is looked up cannot be stopped, only left behind. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('late')), { once: true });
  });
}
