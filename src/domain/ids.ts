/** Temporal's default limit on a workflow id in the common SQL set-ups; longer ids would only fail at the start. */
const MAX_WORKFLOW_ID = 255;

/**
 * The lane of a push's first policy. Each further policy has one of its own, its id: their rollouts run beside each other,
 * while those of one lane supersede each other or queue (docs/adr/0008-several-policies-for-a-push.md).
 */
export const firstLane = '';

/** Enough of a policy's id to tell the few policies of one image apart, and short enough to leave room for the name. */
const LANE_CHARACTERS = 8;

/**
 * The one workflow of an image, tag and lane, readable in the Temporal UI: `rollout:docker.io/library/redis:7.5-alpine`, or
 * `rollout:docker.io/library/redis:7.5-alpine#1f0c9a2e` for a push's second policy.
 */
export function rolloutWorkflowId(image: string, tag: string, lane: string = firstLane): string {
  return `rollout:${image}:${tag}${lane === firstLane ? '' : `#${lane.slice(0, LANE_CHARACTERS)}`}`;
}

/** True when Temporal will take the id; intake refuses a push whose name is too long rather than lose it later. */
export function fitsWorkflowId(image: string, tag: string, lane: string = firstLane): boolean {
  return rolloutWorkflowId(image, tag, lane).length <= MAX_WORKFLOW_ID;
}

/** The workflow that puts back an ended rollout, or one device of it: by the rollout's id, because tags are pushed again. */
export function rollbackWorkflowId(rolloutId: string, deviceUuid?: string): string {
  return `rollback:${rolloutId}${deviceUuid === undefined ? '' : `:${deviceUuid}`}`;
}

/**
 * The image and tag of a rollout's workflow id, and the beginning of its lane where it has one; null if it is none. A tag has
 * no colon and no `#`, an image may have a colon (a port).
 */
export function parseRolloutWorkflowId(id: string): { image: string; tag: string; lane?: string } | null {
  const [name = '', lane, ...more] = id.split('#');
  const last = name.lastIndexOf(':');
  if (!name.startsWith('rollout:') || last <= 'rollout:'.length || last === name.length - 1) return null;
  if (more.length > 0 || lane?.length === 0) return null;
  const named = { image: name.slice('rollout:'.length, last), tag: name.slice(last + 1) };
  return lane === undefined ? named : { ...named, lane };
}
