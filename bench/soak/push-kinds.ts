/**
 * What a soak pushes, in turn: a release that goes out; one whose webhook comes again and again; one that fails and is put
 * back; one that is pushed over by the next while it is under way; one that an operator pauses for a while.
 */
export const pushKinds = ['good', 'duplicated', 'bad', 'superseded', 'good', 'paused', 'bad'] as const;
export type PushKind = (typeof pushKinds)[number];

export interface PlannedPush {
  kind: PushKind;
  tag: string;
  /** How its rollout has to end. */
  wanted: 'completed' | 'rolled_back' | 'superseded';
}

/** In the tag of each release that devices fail on. */
export const BAD = '-bad';

export function plannedPush(number: number): PlannedPush {
  const kind = pushKinds[number % pushKinds.length] ?? 'good';
  const tag = `8.${number}${kind === 'bad' ? BAD : ''}`;
  return { kind, tag, wanted: kind === 'bad' ? 'rolled_back' : kind === 'superseded' ? 'superseded' : 'completed' };
}
