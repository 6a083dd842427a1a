import { ActivityFailure, isCancellation, log, sleep } from '@temporalio/workflow';
import { looking, quick } from './activity-options';
import type { ReconcileInput, ReconcileResult } from './messages';

/** Registries at once: looks take minutes, and a worker has rollouts to see to. */
const AT_ONCE = 3;
/** A little longer than a digest that came to light waits for its webhook (`settleSeconds` of src/reconcile/looking.ts). */
const SETTLE = '125 seconds';

/**
 * Started by the schedule `fleetwave-reconcile`, or for one registry by an operator: asks registries for the tags that policies
 * watch, so that a lost webhook is found. What came to light is asked for again once its webhook has had its time. A registry that
 * cannot be looked at does not keep others from it; it is tried again by the next round.
 */
export async function reconcile(input: ReconcileInput = {}): Promise<ReconcileResult> {
  const hosts = input.hosts ?? (await quick.registriesToReconcile()).hosts;
  const result: ReconcileResult = { registries: 0, tags: 0, pending: 0, unknown: 0, failed: 0 };
  const rest = hosts.values();
  async function lane(): Promise<void> {
    for (const host of rest) {
      try {
        await lookAt(host, result);
      } catch (error) {
        if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
        result.failed += 1;
        log.warn('a registry could not be looked at', { host, reason: error.cause?.message ?? error.message });
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return result;
}

async function lookAt(host: string, result: ReconcileResult): Promise<void> {
  const summary = `look at ${host}`;
  const look = await looking.reconcileRegistry.executeWithOptions({ summary }, [{ host }]);
  result.registries += 1;
  result.tags += look.tags;
  result.pending += look.pending;
  result.unknown += look.unknown;
  if (look.pending === 0) return;
  await sleep(SETTLE, { summary: `${look.pending} pushes came to light; their webhooks have their time` });
  await looking.confirmFoundPushes.executeWithOptions({ summary: `look again at ${host}` }, [{ host }]);
}
