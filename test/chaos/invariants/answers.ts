import type { Invariant } from '../facts';

/** To whoever asks while something is broken: nothing, or "not now". */
const MEANT = new Set([0, 503]);
const WELL = new Set([200, 202, 304]);

/** No device and no registry is ever told that it did something wrong, or is answered as by a bug. */
const onlyMeantAnswers: Invariant = ({ witness, pushes }) => [
  ...[...witness.answers]
    .filter(([key]) => !isMeant(Number(key.split(' ').at(-1))))
    .map(([key, times]) => `devices were answered ${key} ${times} times`),
  ...pushes.flatMap(({ push, refusals }) =>
    [...refusals]
      .filter(([status]) => !isMeant(status))
      .map(([status, times]) => `the push of ${push.tag} was answered ${status} ${times} times`),
  ),
];

function isMeant(status: number): boolean {
  return MEANT.has(status) || WELL.has(status);
}

export const answers: Readonly<Record<string, Invariant>> = {
  'refusals say "not now"': onlyMeantAnswers,
};
