import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { terminalProgress } from '../../src/dev/progress';

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});
afterEach(() => {
  jest.useRealTimers();
});

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

it('says one line of a short step, and of a long one that it goes on', async () => {
  const lines: string[] = [];
  const progress = terminalProgress((text) => lines.push(text));
  const short = progress.step('PostgreSQL', () => after(1500));
  await jest.advanceTimersByTimeAsync(1500);
  await short;
  const long = progress.step('Temporal', () => after(13_000));
  await jest.advanceTimersByTimeAsync(13_000);
  await long;
  expect(lines).toEqual([
    'PostgreSQL ... ready (1.5 s)\n',
    'Temporal ... under way (2.0 s)\n',
    'Temporal ... under way (12.0 s)\n',
    'Temporal ... ready (13.0 s)\n',
  ]);
  expect(jest.getTimerCount()).toBe(0);
});

it('says that a step failed, and nothing after it', async () => {
  const lines: string[] = [];
  const progress = terminalProgress((text) => lines.push(text));
  await expect(progress.step('API', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await jest.advanceTimersByTimeAsync(60_000);
  expect(lines).toEqual(['API ... failed (0.0 s)\n']);
});
