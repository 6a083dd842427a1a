import { z } from 'zod';
import { readRegistry } from '../db/registries';
import type { ApiDeps } from './deps';
import { HttpProblem, notFound } from './problem';
import { RegistryHostParams } from './registry-host-fields';
import { route, type Route } from './route';

const ReconcileAnswer = z.object({
  workflow_id: z.string(),
  started: z.boolean().describe('False: an earlier look at this registry still goes on.'),
});

/** Looks at a registry when somebody asks for it: the schedule does the same by itself. */
export function reconcileRegistryRoute({ pool, temporal }: Pick<ApiDeps, 'pool' | 'temporal'>): Route {
  return route({
    method: 'post',
    path: '/api/v1/registries/:host/reconcile',
    tag: 'Registries',
    summary: 'Look now for pushes that no webhook told of; GET the registry for what was found',
    access: 'admin',
    params: RegistryHostParams,
    answers: {
      202: { description: 'It is looked at', schema: ReconcileAnswer },
      409: { description: 'The registry is not to be looked at: `reconcile` is false' },
      503: { description: 'Temporal cannot be reached' },
    },
    handle: async ({ params: { host } }) => {
      const registry = await readRegistry(pool, host);
      if (registry === null) throw notFound('registry', host);
      if (!registry.reconcile)
        throw new HttpProblem(
          409,
          'registry-not-reconciled',
          `${host} is not to be looked at: PUT it with "reconcile": true`,
        );
      const { workflowId, started } = await temporal.reconcile(host);
      return { status: 202, body: { workflow_id: workflowId, started } };
    },
  });
}
