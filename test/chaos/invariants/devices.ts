import type { Invariant } from '../facts';

/** The first version that a device had; operators write nothing in a run. */
const FIRST = 1;

/** From the devices' side: nobody was served what was never written, or a version that was older than the one before. */
const servedWasWritten: Invariant = ({ devices, witness, targets }) =>
  devices.flatMap((device) => {
    const { served } = witness.logOf(device);
    return served.flatMap(({ version, reference }, index) => {
      const written = targets.get(device)?.get(version);
      const before = served[index - 1]?.version ?? 0;
      return [
        ...(written === reference
          ? []
          : [`${device} was served ${reference} as version ${version}, written was ${String(written)}`]),
        ...(version > before ? [] : [`${device} was served version ${version} after ${before}`]),
      ];
    });
  });

/** It hears in the end what is stored, and that is what it ran at first or what was pushed. */
const endsOnTargetOrPrevious: Invariant = ({ devices, witness, targets, stored, pushes, image }) => {
  const pushed = new Set(pushes.flatMap(({ push }) => referencesOf(image, push.tag, push.digest)));
  return devices.flatMap((device) => {
    const now = stored.get(device);
    const last = witness.logOf(device).served.at(-1);
    if (now === undefined) return [`${device} is not stored any more`];
    return [
      ...(last?.version === now.version && last.reference === now.reference
        ? []
        : [
            `${device} was last served ${String(last?.reference)} (${String(last?.version)}), stored is ${now.reference} (${now.version})`,
          ]),
      ...(now.reference === targets.get(device)?.get(FIRST) || pushed.has(now.reference)
        ? []
        : [`${device} ends on ${now.reference}, which it never had and nobody pushed`]),
    ];
  });
};

export function referencesOf(image: string, tag: string, digest: string | null): string[] {
  const reference = `${image}:${tag}`;
  return digest === null ? [reference] : [reference, `${reference}@${digest}`];
}

export const devices: Readonly<Record<string, Invariant>> = {
  'a device is served what was written': servedWasWritten,
  'a device ends on the target or on its previous reference': endsOnTargetOrPrevious,
};
