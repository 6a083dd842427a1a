import type { Scenario, Step } from './scenario';

/** A scenario as a person would tell it. */
export function inWords(scenario: Scenario): string {
  const { strategy, settings, lanes, fleet, steps, end } = scenario;
  const devices = fleet.map(
    ({ seen, canary, zone, tag }, index) =>
      `${String(index)}: ${tag}${canary ? ', canary' : ''}${seen ? ', seen' : ''}${zone === null ? '' : `, ${zone}`}`,
  );
  return [
    `policy: ${strategy} ${JSON.stringify(settings)}${lanes ? ', and a policy for the canaries before it' : ''}`,
    `devices: ${devices.join('; ')}`,
    ...steps.map((step, index) => `${String(index + 1)}. ${stepInWords(step)}${step.rush ? ' (and at once:)' : ''}`),
    `in the end the devices are ${end}`,
  ].join('\n');
}

export function stepInWords(step: Step): string {
  switch (step.kind) {
    case 'push':
      return `push of ${step.tag}, ${step.digest === null ? 'no digest' : `digest ${String(step.digest)}`}, by ${step.by}`;
    case 'command':
      return `${step.command}${step.all ? ' {to: all}' : ''} to ${step.newest === 0 ? 'the newest rollout' : 'the one before the newest'}, devices ${devicesOf(step.whom)}`;
    case 'device':
      return `devices ${devicesOf(step.whom)}: ${step.mode}`;
    case 'edit':
      return `an operator gives devices ${devicesOf(step.whom)} ${step.other ? 'another image' : 'a tag of their own'}`;
    case 'jump':
      return `${String(step.seconds)} s go by${step.alive ? '' : ', and no device speaks'}`;
    case 'restart':
      return 'the worker is restarted';
    case 'crash':
      return `${String(step.calls)} activity calls fail ${step.when} they did their work`;
    case 'appear':
      return `a device appears${step.seen ? ' and speaks' : ''}`;
    case 'freeze':
      return `a freeze of ${step.binds} rollouts for ${String(step.seconds)} s`;
    case 'unfreeze':
      return 'freezes are lifted';
    case 'lift':
      return 'holds are lifted';
    case 'look':
      return 'rollouts are told to look, and asked for their status';
  }
}

export function devicesOf(whom: number): string {
  return `[${Array.from({ length: 12 }, (_, index) => index)
    .filter((index) => (whom & (1 << index)) !== 0)
    .join(' ')}]`;
}
