import { describe, expect, test } from '@jest/globals';
import type { z } from 'zod';
import { nearField } from '../../src/api/near-field';
import { PolicyInput } from '../../src/api/policy-fields';
import { HttpProblem } from '../../src/api/problem';
import { validate } from '../../src/api/validation';

const policy = { image_pattern: 'redis:*', update_strategy: 'staged' };

function refused(schema: z.ZodType, value: unknown): { detail: string; errors: Record<string, string> } {
  try {
    validate(schema, value);
  } catch (error) {
    if (error instanceof HttpProblem)
      return {
        detail: error.message,
        errors: Object.fromEntries((error.extras.errors ?? []).map(({ path, message }) => [path, message])),
      };
    throw error;
  }
  throw new Error('it was let through');
}

test.each<[object, string, string]>([
  [{ update_strategy: 'slow' }, 'update_strategy', 'must be one of auto, staged, manual, scheduled'],
  [{ batches: [] }, 'batches', 'needs at least 1 item'],
  [{ max_failure_rate: 2 }, 'max_failure_rate', 'must be at most 1'],
  [{ min_sample: 0 }, 'min_sample', 'must be at least 1'],
  [{ min_sample: 1.5 }, 'min_sample', 'must be a whole number'],
  [{ min_sample: '5' }, 'min_sample', 'must be a number'],
  [{ enabled: 'yes' }, 'enabled', 'must be true or false'],
  [{ fleet_id: '' }, 'fleet_id', 'must not be empty'],
  [{ fleet_id: 'x'.repeat(129) }, 'fleet_id', 'may have at most 128 characters'],
  [{ windows: 'nights' }, 'windows', 'must be a list'],
  [{ health: [] }, 'health', 'must be an object'],
  [{ batches: [{ percent: 101 }] }, 'batches.0.percent', 'must be at most 100'],
  [{ batches: 'all' }, 'batches', 'must be a list of batches or {start, factor, max}'],
  [{ device_tags: ['ring:canary'] }, 'device_tags', 'must be an object of keys and values, such as {"ring": "canary"}'],
  [{ batches: [{ tag: 'canary' }] }, 'batches.0.tag', 'must be key:value, such as ring:canary'],
  [{ batches: [{ tag: { ring: 'canary' } }] }, 'batches.0.tag', 'must be key:value in one text, such as "ring:canary"'],
])('%j is told in a sentence', (fields, path, message) => {
  expect(refused(PolicyInput, { ...policy, ...fields }).errors).toMatchObject({ [path]: message });
});

test('an unknown field is named first, with the one that was probably meant', () => {
  const { detail, errors } = refused(PolicyInput, { image: 'redis:*', update_strategy: 'staged', nonsense: 1 });
  expect(detail).toBe(
    'image: unknown field: did you mean image_pattern?; nonsense: unknown field; image_pattern: is needed',
  );
  expect(errors).toEqual({
    image: 'unknown field: did you mean image_pattern?',
    nonsense: 'unknown field',
    image_pattern: 'is needed',
  });
});

test('an unknown field within a list or a union of shapes is compared with the fields there', () => {
  const { errors } = refused(PolicyInput, { ...policy, health: { soak: 1 }, batches: [{ percents: 5 }] });
  expect(errors).toMatchObject({
    'health.soak': 'unknown field: did you mean soak_seconds?',
    'batches.0.percents': 'unknown field: did you mean percent?',
  });
});

describe('the field that was meant', () => {
  const known = ['image_pattern', 'update_strategy', 'batches', 'batch_delay_seconds', 'fleet_id', 'pin'];
  test.each([
    ['imagePattern', 'image_pattern'],
    ['image-patern', 'image_pattern'],
    ['pattern', 'image_pattern'],
    ['strategy', 'update_strategy'],
    ['batchs', 'batches'],
    ['fleet', 'fleet_id'],
    ['pins', 'pin'],
    ['colour', null],
    ['id', null],
    ['___', null],
  ])('%s: %s', (given, near) => {
    expect(nearField(given, known)).toBe(near);
  });
});
