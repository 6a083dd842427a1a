import { afterAll, beforeAll, test } from '@jest/globals';
import { createSequences, type Sequences } from './property';
import { scenariosWith } from './scenario';

let sequences: Sequences;
beforeAll(async () => {
  sequences = await createSequences(scenariosWith({ windows: true }));
}, 600_000);
afterAll(() => sequences.close());

test('the same where devices may be told at some times only', () => sequences.play());
