/**
 * Why a device failed, in one word of those that Kubernetes made known: agents use them, people search for them. A reason
 * begins with it (`ErrImagePull: redis ...`); `fleetwave.failure_cause` in SQL counts by it.
 */
const KNOWN = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'CrashLoopBackOff',
  'HealthCheckFailed',
  'StartFailure',
  'CreateContainerError',
  'RunContainerError',
  'OOMKilled',
];
const byLowerCase: ReadonlyMap<string, string> = new Map(KNOWN.map((cause) => [cause.toLowerCase(), cause]));

/** What an agent may call a cause of its own: more than one hump, so that a word of a sentence is none. */
const OWN_CAUSE = /^(?=.{3,40}$)[A-Z][a-z0-9]*[A-Z][A-Za-z0-9]*$/;

export interface SaidOfFailure {
  status: string;
  /** The agent's own word for it. */
  reason: string | null;
  message: string | null;
}

/** The cause where the agent names one: as its reason, as the status, or as the first word of the message; else null. */
export function causeOf({ status, reason, message }: SaidOfFailure): string | null {
  if (reason !== null) {
    const known = byLowerCase.get(reason.toLowerCase());
    if (known !== undefined) return known;
    if (OWN_CAUSE.test(reason)) return reason;
  }
  return byLowerCase.get(status.toLowerCase()) ?? byLowerCase.get(firstWord(message).toLowerCase()) ?? null;
}

/** The sentence with its cause in front, which is not said twice. */
export function withCause(cause: string | null, subject: string, message: string | null): string {
  const rest = cause !== null && firstWord(message) === cause ? (message ?? '').slice(cause.length) : (message ?? '');
  const text = rest.replace(/^[:\s]+/, '');
  const sentence = text === '' ? subject : `${subject}: ${text}`;
  return cause === null ? sentence : `${cause}: ${sentence}`;
}

/** Whether a reason names its cause. */
export function namesCause(reason: string): boolean {
  return OWN_CAUSE.test(reason.split(':', 1)[0] ?? '');
}

function firstWord(message: string | null): string {
  return /^[A-Za-z0-9]*/.exec(message ?? '')?.[0] ?? '';
}

/** Failed devices by cause. */
export interface CauseCount {
  cause: string;
  devices: number;
}

/** However many causes agents think of, a sentence names the most frequent ones. */
const MOST_NAMED = 5;

/** `2 ErrImagePull, 1 CrashLoopBackOff`; null where nobody failed. */
export function causesSentence(counts: readonly CauseCount[]): string | null {
  const sorted = [...counts].sort((a, b) => b.devices - a.devices || (a.cause < b.cause ? -1 : 1));
  const others = sorted.slice(MOST_NAMED).reduce((sum, { devices }) => sum + devices, 0);
  const named = sorted.slice(0, MOST_NAMED).map(({ cause, devices }) => `${devices} ${cause}`);
  if (named.length === 0) return null;
  return [...named, ...(others === 0 ? [] : [`${others} of other causes`])].join(', ');
}
