import type { Invariant } from '../facts';

const ackedIsStored: Invariant = ({ devices, witness, stored }) =>
  devices.flatMap((device) => {
    const kept = stored.get(device)?.reports;
    const lost = witness.logOf(device).acked.filter((number) => kept?.has(number) !== true);
    return lost.length === 0
      ? []
      : [`${device} was told that its reports ${lost.join(', ')} were taken; they are lost`];
  });

/** The last one that was acknowledged, or a later one whose answer was lost. */
const lastIsShown: Invariant = ({ devices, witness, stored }) =>
  devices.flatMap((device) => {
    const { last } = witness.logOf(device);
    const now = stored.get(device);
    if (last.some(({ number, says }) => number === now?.reportNumber && says === now.reported)) return [];
    const known = last.map(({ number, says }) => `${says} (${number})`).join(' or ');
    return [`${device} last said ${known}, stored is ${String(now?.reported)} (${String(now?.reportNumber)})`];
  });

export const reports: Readonly<Record<string, Invariant>> = {
  'an acknowledged report is stored': ackedIsStored,
  'the last report is what is shown': lastIsShown,
};
