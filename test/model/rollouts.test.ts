import { afterAll, beforeAll, test } from '@jest/globals';
import { createSequences, type Sequences } from './property';
import { scenariosWith } from './scenario';

let sequences: Sequences;
beforeAll(async () => {
  sequences = await createSequences(scenariosWith({ windows: false }));
}, 600_000);
afterAll(() => sequences.close());

test('whatever is pushed, said, done and broken, in whatever order: the invariants hold and every rollout ends', () =>
  sequences.play());
