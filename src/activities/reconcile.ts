import { cancellationSignal, heartbeat, log } from '@temporalio/activity';
import { forgetUnwatchedRegistries, reconciledHosts } from '../db/watched-repositories';
import { lookAgain } from '../reconcile/look-again';
import { lookAtRegistry, type RegistryLook } from '../reconcile/look-at-registry';
import { usualLookLimits, type Looking } from '../reconcile/looking';
import type { ActivityDeps } from './deps';

export type { RegistryLook };

export function reconcileActivities({ pool, registries, lookLimits }: ActivityDeps) {
  /** Without a client no registry is asked. */
  function looking(): Looking | null {
    if (registries === undefined) return null;
    const limits = { ...usualLookLimits, ...lookLimits };
    const signal = cancellationSignal();
    return { pool, client: registries, limits, signal, log, beat: () => heartbeat() };
  }

  return {
    /**
     * The hosts of the registries to look at. Forgets what was seen of those that are not looked at any more; twice is as once.
     * Does not heartbeat.
     */
    async registriesToReconcile(): Promise<{ hosts: string[] }> {
      await forgetUnwatchedRegistries(pool);
      return { hosts: await reconciledHosts(pool) };
    },

    /**
     * Asks one registry for the tags that policies watch and remembers what it has (key: image and tag). Takes pushes that came to
     * light in an earlier look and of which no webhook told, each in one transaction (key: image, tag, digest and first sight).
     * Running it twice sees nothing new. What a registry does is never a failure: what cannot be learned changes nothing.
     * Heartbeats before each question.
     */
    async reconcileRegistry({ host }: { host: string }): Promise<RegistryLook> {
      const look = looking();
      if (look === null) return { repositories: 0, tags: 0, pending: 0, unknown: 0 };
      return lookAtRegistry(look, host);
    },

    /**
     * Asks again for what came to light and has waited for its webhook, and takes what is still there, as `reconcileRegistry` does.
     * Running it twice takes it once. Heartbeats before each question.
     */
    async confirmFoundPushes({ host }: { host: string }): Promise<{ settled: number }> {
      const look = looking();
      return { settled: look === null ? 0 : await lookAgain(look, host) };
    },
  };
}
