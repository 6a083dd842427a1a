import { describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { PolicyInput } from '../../src/api/policy-fields';
import { testTitles } from '../support/test-tables';

/** Where each field of a policy, and each value that a field may have, is seen to have an effect, over HTTP on a real stack. */
const devices = 'test/integration/policy-fields-devices.test.ts';
const failures = 'test/integration/policy-fields-failures.test.ts';
const times = 'test/integration/policy-fields-times.test.ts';
const windows = 'test/integration/policy-fields-windows.test.ts';
const plan = 'test/integration/policy-plan.test.ts';
const checks = 'test/integration/policy-fields-checks.test.ts';
const registry = 'test/integration/policy-fields-registry.test.ts';

const shownBy: Record<string, [file: string, title: string]> = {
  image_pattern: [devices, 'image_pattern: a push that it does not match starts nothing'],
  update_strategy: [times, 'update_strategy'],
  'update_strategy=auto': [times, 'auto tells all devices at once, whatever the batches'],
  'update_strategy=staged': [times, 'staged goes batch by batch: the second is told when the first is healthy'],
  'update_strategy=manual': [times, 'manual waits for approve before its start, and rejecting it changes nobody'],
  'update_strategy=scheduled': [windows, 'one that is closed: the rollout is scheduled, nobody is told'],
  tag_rule: [devices, 'tag_rule'],
  'tag_rule.kind': [devices, '%j and tag %s: %s'],
  'tag_rule.kind=any': [devices, '%j and tag %s: %s'],
  'tag_rule.kind=glob': [devices, '%j and tag %s: %s'],
  'tag_rule.kind=regex': [devices, '%j and tag %s: %s'],
  'tag_rule.kind=semver': [devices, '%j and tag %s: %s'],
  'tag_rule.pattern': [plan, 'a regular expression has to match all of the tag'],
  'tag_rule.range': [plan, 'lets only versions of its range through'],
  'tag_rule.allow_downgrade': [devices, 'semver leaves a device where it is that runs a newer version'],
  pin: [devices, 'pin'],
  'pin=auto': [devices, '%s writes a push of tag %s to a device on tag 1 as %s'],
  'pin=tag': [devices, 'tag leaves a device on a tag that was pushed again as it is'],
  'pin=digest': [devices, '%s writes a push of tag %s to a device on tag 1 as %s'],
  batches: [times, 'by %s are cut so'],
  'batches.percent': [times, 'by %s are cut so'],
  'batches.count': [times, 'by %s are cut so'],
  'batches.tag': [times, 'by tag and by fleet take the devices that are named first'],
  'batches.fleet_id': [times, 'by tag and by fleet take the devices that are named first'],
  'batches.approval': [times, 'a batch with approval asks before it is told, not before the others'],
  'batches.delay_seconds': [times, 'a batch with a delay of its own waits for that, advance ends it'],
  'batches.soak_seconds': [times, 'a batch with a soak of its own is waited for that long'],
  'batches.start': [plan, 'growing batches go out one after the other, each at most its share'],
  'batches.factor': [plan, 'growing batches go out one after the other, each at most its share'],
  'batches.max': [plan, 'growing batches go out one after the other, each at most its share'],
  batch_delay_seconds: [times, 'batch_delay_seconds comes between two batches'],
  health: [times, 'health'],
  'health.timeout_seconds': [times, 'timeout_seconds: a device that says nothing in that time is unreachable'],
  'health.soak_seconds': [times, 'soak_seconds: a device has to stay healthy that long'],
  'health.checks': [times, 'checks: with container_running the new image alone is not enough'],
  'health.checks.kind': [times, 'checks: with container_running the new image alone is not enough'],
  'health.checks.kind=container_running': [times, 'checks: with container_running the new image alone is not enough'],
  'health.checks.kind=tcp': [checks, 'checks.tcp: a device whose port is closed is not healthy, however it reports'],
  'health.checks.kind=http': [checks, 'checks.http: path and status decide'],
  'health.checks.kind=custom': [checks, 'checks.custom: holds when it is spoken for by its name'],
  'health.checks.port': [checks, 'checks.tcp: a device whose port is closed is not healthy, however it reports'],
  'health.checks.path': [checks, 'checks.http: path and status decide'],
  'health.checks.status': [checks, 'checks.http: path and status decide'],
  'health.checks.timeout_seconds': [checks, 'checks.timeout_seconds: what does not answer in that time does not hold'],
  'health.checks.name': [checks, 'checks.custom: holds when it is spoken for by its name'],
  max_failure_rate: [failures, 'of %d with one of two failed: %s'],
  max_failures: [failures, 'max_failures stops at so many, whatever the share'],
  min_sample: [failures, 'min_sample is how many have to be settled before the share is judged'],
  on_failure: [failures, 'on_failure'],
  'on_failure=rollback': [failures, 'rollback puts every device back, healthy or not, and ends rolled_back'],
  'on_failure=rollback_failed': [failures, 'rollback_failed puts back those that failed, leaves the healthy ones'],
  'on_failure=pause': [failures, 'pause waits for a person, who may go on in spite of it'],
  'on_failure=continue': [failures, 'continue goes on by itself, and says that it did'],
  rollback_timeout_seconds: [failures, 'rollback_timeout_seconds is how long a rollback is waited for'],
  retry: [failures, 'retry.attempts and retry.delay_seconds tell a failed device again'],
  'retry.attempts': [failures, 'retry.attempts and retry.delay_seconds tell a failed device again'],
  'retry.delay_seconds': [failures, 'retry.attempts and retry.delay_seconds tell a failed device again'],
  on_newer: [devices, 'on_newer'],
  'on_newer=supersede': [devices, 'supersede takes the devices over, and the older rollout ends superseded'],
  'on_newer=queue': [devices, 'queue waits for the end of the older rollout, and says for which'],
  offline: [windows, 'offline'],
  'offline.after_seconds': [windows, 'after_seconds: a device that was seen longer ago is deferred'],
  'offline.catch_up_hours': [windows, 'catch_up_hours 0: nobody is waited for'],
  windows: [windows, 'one that is closed: the rollout is scheduled, nobody is told'],
  'windows.days': [windows, 'one that was open on another day is closed today'],
  'windows.from': [windows, 'one that is closed: the rollout is scheduled, nobody is told'],
  'windows.to': [windows, 'one that is open now: the devices are told at once, under scheduled and under staged'],
  'windows.timezone': [windows, 'in the time zone of each device: those whose clock is in it are told'],
  min_age_seconds: [registry, 'min_age_seconds: a push waits until it is that old'],
  platforms: [registry, 'platforms: an image that lacks one is told to nobody'],
  requires_approval: [times, 'requires_approval asks before the first batch under any strategy'],
  requires_approved_image: [devices, 'requires_approved_image: a push waits for the approval of its image'],
  fleet_id: [devices, 'by fleet_id'],
  device_tags: [devices, 'by device_tags'],
  device_uuids: [devices, 'by device_uuids'],
  enabled: [devices, 'enabled: a policy that is switched off starts nothing'],
  priority: [devices, 'priority: of two policies for the same pushes and devices the higher one decides'],
  description: [devices, 'description: is shown to whoever reads the policy'],
};

interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
}

/** Fields by their path, and with it the values of those that have a few: from the schema that requests are checked by. */
function fieldsOf(schema: Schema, path: string): string[] {
  const below = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const values = [...(schema.enum ?? []), ...(schema.const === undefined ? [] : [schema.const])];
  return [
    ...(path === '' ? [] : [path]),
    ...values.map((value) => `${path}=${String(value)}`),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => fieldsOf(field, below(name))),
    ...[
      ...(schema.anyOf ?? []),
      ...(schema.oneOf ?? []),
      ...(schema.items === undefined ? [] : [schema.items]),
    ].flatMap((part) => fieldsOf(part, path)),
  ];
}

/** One day is like another. */
const isDay = (field: string): boolean => field.startsWith('windows.days=');

describe('every field of a policy has an effect that a test sees over HTTP', () => {
  test('the table names each field, and each value of those that have a few, and nothing else', () => {
    const schema = z.toJSONSchema(PolicyInput, { io: 'input', unrepresentable: 'any' }) as Schema;
    const fields = [...new Set(fieldsOf(schema, ''))].filter((field) => !isDay(field));
    expect(Object.keys(shownBy).sort()).toEqual(fields.sort());
  });

  test.each(Object.entries(shownBy))('%s', (_field, [file, title]) => {
    expect(existsSync(file)).toBe(true);
    expect(testTitles(file).filter((one) => one.startsWith(title))).not.toEqual([]);
  });
});
