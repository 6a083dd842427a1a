import { brokenInvariants } from '../../model/invariants';
import type { Facts, Invariant } from '../facts';
import { answers } from './answers';
import { devices, referencesOf } from './devices';
import { ends } from './ends';
import { pushes } from './pushes';
import { reports } from './reports';

const own: Readonly<Record<string, Invariant>> = { ...devices, ...reports, ...pushes, ...ends, ...answers };

/** Those of the model test, which hold whatever happens, and what the outside knows. */
export function brokenPromises(facts: Facts): string[] {
  const { image, snapshot, targets, pushes: delivered } = facts;
  const known = {
    image,
    pushed: new Set(delivered.flatMap(({ push }) => referencesOf(image, push.tag, push.digest))),
    originals: new Map([...targets].map(([device, versions]) => [device, versions.get(1) ?? ''])),
    edits: new Map<string, Set<number>>(),
    zones: new Map<string, string | null>(),
    freezes: [],
  };
  return [
    ...brokenInvariants(snapshot, known),
    ...Object.entries(own).flatMap(([name, invariant]) => invariant(facts).map((sentence) => `${name}: ${sentence}`)),
  ];
}
