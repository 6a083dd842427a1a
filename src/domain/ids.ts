/** Temporal's default limit on a workflow id in the common SQL set-ups; longer ids would only fail at the start. */
const MAX_WORKFLOW_ID = 255;

/** The one workflow of an image and tag, readable in the Temporal UI: `rollout:docker.io/library/redis:7.5-alpine`. */
export function rolloutWorkflowId(image: string, tag: string): string {
  return `rollout:${image}:${tag}`;
}

/** True when Temporal will take the id; intake refuses a push whose name is too long rather than lose it later. */
export function fitsWorkflowId(image: string, tag: string): boolean {
  return rolloutWorkflowId(image, tag).length <= MAX_WORKFLOW_ID;
}

/** The image and tag of a rollout's workflow id, or null if it is none. A tag has no colon, an image may (a port). */
export function parseRolloutWorkflowId(id: string): { image: string; tag: string } | null {
  const last = id.lastIndexOf(':');
  if (!id.startsWith('rollout:') || last <= 'rollout:'.length || last === id.length - 1) return null;
  return { image: id.slice('rollout:'.length, last), tag: id.slice(last + 1) };
}
