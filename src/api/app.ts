import type { RequestListener } from 'node:http';
import type { Express } from 'express';
import { agentLogsRoute } from './agent-logs';
import { agentRoutes } from './agents';
import type { ApiDeps } from './deps';
import { deviceKeyRoutes } from './device-keys';
import { deviceRegistrationRoutes } from './device-registration';
import { deviceStateRoutes } from './device-states';
import { deviceRoutes } from './devices';
import { documentationRoutes } from './docs';
import { freezeRoutes } from './freezes';
import { healthRoutes } from './health';
import { holdRoutes } from './holds';
import { imageApprovalRoutes } from './image-approvals';
import { imageTagRoutes } from './image-tags';
import { imageRoutes } from './images';
import { createExpress } from './mount';
import { policyRoutes } from './policies';
import { previewRoute } from './preview';
import { provisioningKeyRoutes } from './provisioning-keys';
import { reconcileRegistryRoute } from './reconcile-registry';
import { registryHostRoutes } from './registry-hosts';
import { rolloutCommandRoutes } from './rollout-commands';
import { rolloutListRoutes } from './rollout-lists';
import { rolloutRoutes } from './rollouts';
import type { Route } from './route';
import { withShortcut } from './shortcut';
import { createSourceContacts } from './source-contacts';
import { createSourceStore } from './source-store';
import { timelineRoute } from './timeline';
import { tokenRoutes } from './tokens';
import { triggerUpdateRoute } from './trigger-update';
import { webhookDeliveryRoutes } from './webhook-deliveries';
import { webhookSourceRoutes } from './webhook-sources';
import { webhookRoutes } from './webhooks';

/** Every route of the API. Where two paths match, the first one here is taken. */
export function allRoutes(deps: ApiDeps): Route[] {
  const sources = createSourceStore(deps);
  const contacts = createSourceContacts(deps);
  const routes = [
    ...agentRoutes(deps),
    agentLogsRoute(deps),
    ...deviceRegistrationRoutes(deps),
    ...deviceKeyRoutes(deps),
    ...provisioningKeyRoutes(deps),
    ...webhookRoutes(deps, sources, contacts),
    ...webhookSourceRoutes(deps, sources, contacts),
    ...webhookDeliveryRoutes(deps, sources),
    ...registryHostRoutes(deps),
    reconcileRegistryRoute(deps),
    ...deviceRoutes(deps),
    ...deviceStateRoutes(deps),
    timelineRoute(deps),
    ...policyRoutes(deps),
    ...rolloutRoutes(deps),
    ...rolloutListRoutes(deps),
    ...rolloutCommandRoutes(deps),
    triggerUpdateRoute(deps),
    previewRoute(deps),
    ...holdRoutes(deps),
    ...freezeRoutes(deps),
    ...imageRoutes(deps),
    ...imageTagRoutes(deps),
    ...imageApprovalRoutes(deps),
    ...tokenRoutes(deps),
    ...healthRoutes(deps),
  ];
  return [...routes, ...documentationRoutes(routes)];
}

/** All routes by Express. They hold no state of their own, so as many processes as wanted may serve them. */
export function createApp(deps: ApiDeps): Express {
  return createExpress(allRoutes(deps), deps);
}

/** The whole API as a server calls it: what agents ask for all the time, and all else by Express. */
export function createListener(deps: ApiDeps): RequestListener {
  return withShortcut(agentRoutes(deps), deps, createApp(deps));
}
