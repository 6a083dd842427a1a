import { quick } from './activity-options';
import type { Control } from './control';

/** One activity takes this many at once: thousands of words must not fill the history. */
const WORDS_A_CALL = 200;

/** Devices' own words that came as signals go the same way as those over HTTP: recorded first, then judged. */
export async function recordWords(control: Control): Promise<void> {
  while (control.words.length > 0) {
    const words = control.words.splice(0, WORDS_A_CALL);
    const summary =
      words.length === 1 ? `${words[0]?.device} says ${words[0]?.status}` : `${words.length} devices say how they are`;
    await quick.recordHealth.executeWithOptions({ summary }, [{ words }]);
  }
}
