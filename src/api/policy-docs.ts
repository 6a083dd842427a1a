import { z } from 'zod';
import { effectiveSettings } from '../domain/policy-settings';

/** What a person is told about a field: for the OpenAPI document and docs/policies.md, which are both made from it. */
interface FieldDoc {
  meaning: string;
  example: unknown;
  default?: unknown;
}

const defaults = effectiveSettings({ update_strategy: 'staged', settings: {} });

const fieldDocs: Readonly<Record<string, FieldDoc>> = {
  image_pattern: {
    meaning:
      'Which pushes it is about: a glob over name and tag. `*` matches within a part of the name, `**` across parts; without a tag every tag is meant.',
    example: 'redis:7.*',
  },
  update_strategy: {
    meaning:
      '`staged`: batch by batch. `auto`: all devices at once, `batches` and `batch_delay_seconds` do not count. `manual`: as `staged`, and waits for `approve` before the first batch. `scheduled`: as `staged`, only within its `windows`, which it must have.',
    example: 'staged',
  },
  tag_rule: {
    meaning: 'Which tags of the image it lets through; a tag it refuses is answered `not_eligible`.',
    example: { kind: 'semver', range: '^7' },
    default: defaults.tag_rule,
  },
  pin: {
    meaning:
      'What is written into a target: `tag` the tag, `digest` tag and digest, `auto` the digest only where the tag alone would change nothing, as for a re-pushed `latest`.',
    example: 'auto',
    default: defaults.pin,
  },
  batches: {
    meaning:
      'The devices that are changed together, in order: a list of steps, or `{start, factor, max}` for batches that grow. Percentages are cumulative. Devices that no step takes get a last batch.',
    example: [{ tag: 'ring:canary' }, { percent: 50, approval: true }, { percent: 100 }],
    default: defaults.batches,
  },
  batch_delay_seconds: {
    meaning: 'Seconds between a batch that passed and the next one.',
    example: 600,
    default: defaults.batch_delay_seconds,
  },
  health: {
    meaning: 'When a device counts as healthy, and how long it may take.',
    example: { timeout_seconds: 300, soak_seconds: 60 },
    default: defaults.health,
  },
  max_failure_rate: {
    meaning: 'Share of the attempted devices, 0 to 1, above which a batch fails; 0.2 is one in five.',
    example: 0.1,
    default: defaults.max_failure_rate,
  },
  max_failures: {
    meaning: 'Number of failed devices above which a batch fails, whatever the share; null sets no such limit.',
    example: 3,
    default: defaults.max_failures,
  },
  min_sample: {
    meaning: 'Devices that must have settled before the share is judged; a smaller batch needs all of its own.',
    example: 5,
    default: defaults.min_sample,
  },
  on_failure: {
    meaning:
      'What happens when a batch fails. `rollback`: each device the rollout changed gets its own previous image. `rollback_failed`: only those that failed. `pause`: it waits for a person. `continue`: it goes on.',
    example: 'rollback',
    default: defaults.on_failure,
  },
  rollback_timeout_seconds: {
    meaning: 'Seconds that devices have to confirm a rollback.',
    example: 600,
    default: defaults.rollback_timeout_seconds,
  },
  retry: {
    meaning: 'Whether a device that failed gets another try within its batch.',
    example: { attempts: 3, delay_seconds: 60 },
    default: defaults.retry,
  },
  on_newer: {
    meaning:
      'What a push does about an older rollout of the image that has not ended. `supersede`: it takes its devices over. `queue`: it waits for its end.',
    example: 'supersede',
    default: defaults.on_newer,
  },
  requires_approval: {
    meaning: 'Wait for `approve` before the first batch.',
    example: true,
    default: defaults.requires_approval,
  },
  requires_approved_image: {
    meaning: 'Let only images and tags through that stand in the registry of approved images.',
    example: false,
    default: defaults.requires_approved_image,
  },
  offline: {
    meaning:
      'Devices that are offline at their turn are left for later and caught up as they return, after the last batch, in capped waves.',
    example: { after_seconds: 300, catch_up_hours: 24 },
    default: defaults.offline,
  },
  windows: {
    meaning:
      'Times in which targets may be written; none stands for at any time. `timezone` is an IANA zone, or `device` for that of each device (UTC where it has none). A window that ends before it starts ends on the next day.',
    example: [{ days: ['sat', 'sun'], from: '01:00', to: '05:00', timezone: 'device' }],
    default: defaults.windows,
  },
  min_age_seconds: {
    meaning:
      'Seconds that a push must be old before its rollout begins, since the time that its sender says or else since its acceptance; until then it is `scheduled`. A newer push of the tag takes its place, and waits anew. An update triggered by hand waits too.',
    example: 86_400,
    default: defaults.min_age_seconds,
  },
  platforms: {
    meaning:
      'Platforms that the image must be made for, as `os/architecture[/variant]`: where its registry may be asked and says that one is missing, the rollout ends `cancelled` before any device is told. Where that cannot be learned it goes on, and says so.',
    example: ['linux/amd64', 'linux/arm64'],
    default: defaults.platforms,
  },
  fleet_id: { meaning: 'Only devices of this fleet; null does not narrow.', example: 'lab', default: null },
  device_tags: {
    meaning: 'Only devices with all of these tags, as an object: `{"ring": "canary"}`; null does not narrow.',
    example: { ring: 'canary' },
    default: null,
  },
  device_uuids: {
    meaning: 'Only these devices; null does not narrow.',
    example: ['3f2b8c1e-0d4a-4b6f-9a51-7c2e90d1f6aa'],
    default: null,
  },
  enabled: { meaning: 'A disabled policy matches nothing.', example: true, default: true },
  priority: {
    meaning: 'Of two policies whose patterns are as specific, the one with the higher number decides.',
    example: 200,
    default: 100,
  },
  description: { meaning: 'For people.', example: 'Caches, canaries first', default: null },
};

/** The same shape, each field with what is told about it. A field without a text is a mistake of this file. */
export function documented<Shape extends Record<string, z.ZodType>>(shape: Shape, withDefaults: boolean): Shape {
  const entries = Object.entries(shape).map(([name, schema]) => {
    const doc = fieldDocs[name];
    if (doc === undefined) throw new Error(`the policy's field ${name} has no text in policy-docs.ts`);
    // What a field says of itself stands below its being optional.
    const own = schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema;
    const meta = own.meta() ?? {};
    return [
      name,
      schema.meta({
        ...meta,
        description: [doc.meaning, meta.description].filter((text) => text !== undefined).join(' '),
        ...(doc.example === undefined ? {} : { example: doc.example }),
        ...(withDefaults && doc.default !== undefined ? { default: doc.default } : {}),
      }),
    ];
  });
  return Object.fromEntries(entries) as Shape;
}
