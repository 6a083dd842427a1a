import { setFlagsFromString } from 'node:v8';

/**
 * A heap grows by half of what lived through the last full collection, until the next one. V8 by itself lets one that takes much in
 * quickly grow several times over and gives little of that back: when 5,000 waiting devices report at once, an API held 490 MB
 * instead of 310. A limit (`--max-old-space-size`) keeps it as small, and ends the process where more devices wait than it was set
 * for. docs/adr/0027-the-apis-heap.md has the numbers.
 */
export const heapFlag = '--heap-growing-percent=50';

export function keepHeapSmall(): void {
  setFlagsFromString(heapFlag);
}
