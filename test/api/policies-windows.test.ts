import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const PATH = '/api/v1/image-policies';
const night = { days: ['sat', 'sun'], from: '01:00', to: '05:00', timezone: 'Europe/Berlin' };
const create = (body: object) =>
  rig.admin('POST', PATH, { image_pattern: 'redis:*', update_strategy: 'staged', ...body });

describe('a window', () => {
  test.each([
    ['of a named zone', night],
    ["of each device's own zone", { ...night, timezone: 'device' }],
    ['over midnight', { ...night, from: '22:00', to: '02:00' }],
    ['of 24 hours', { ...night, from: '00:00', to: '00:00' }],
    ['of a zone by its older name', { ...night, timezone: 'US/Eastern' }],
  ])('%s is kept and shown as it was given', async (_name, window) => {
    const { status, json } = await create({ windows: [window] });
    expect([status, json.windows]).toEqual([201, [window]]);
    expect((await rig.admin('GET', `${PATH}/${json.id}`)).json.windows).toEqual([window]);
  });

  test.each([
    ['without a zone', { days: ['sat'], from: '01:00', to: '05:00' }, 'timezone', 'is needed'],
    ['of an unknown zone', { ...night, timezone: 'Europe/Atlantis' }, 'timezone', 'Europe/Berlin'],
    ['of an offset', { ...night, timezone: '+01:00' }, 'timezone', '`device`'],
    ['of an abbreviation that means several zones', { ...night, timezone: 'IST' }, 'timezone', 'IANA'],
    ['without days', { ...night, days: [] }, 'days', ''],
    ['of a day twice', { ...night, days: ['sat', 'sun', 'sat'] }, 'days.2', 'sat is there already'],
    ['of a day in full', { ...night, days: ['saturday'] }, 'days.0', 'one of mon, tue, wed, thu, fri, sat, sun'],
    ['that ends at 24:00', { ...night, to: '24:00' }, 'to', '00:00 to 23:59'],
    ['of a time without its zero', { ...night, from: '1:00' }, 'from', '01:30'],
    ['with a field of its own', { ...night, every: 2 }, 'every', 'unknown field'],
  ])('%s is refused', async (_name, window, path, message) => {
    const { status, json } = await create({ windows: [night, window] });
    expect(status).toBe(422);
    expect(json.errors).toEqual([{ path: `windows.1.${path}`, message: expect.stringContaining(message) }]);
  });
});

describe('a scheduled policy has a window', () => {
  const refusal = [{ path: 'windows', message: expect.stringMatching(/at least one window.*use staged/) }];
  const scheduled = { image_pattern: 'redis:*', update_strategy: 'scheduled' };

  test.each([
    ['none', {}],
    ['an empty list', { windows: [] }],
  ])('POST and PUT refuse %s', async (_name, windows) => {
    const { id } = (await create({})).json;
    for (const [method, path] of [
      ['POST', PATH],
      ['PUT', `${PATH}/${id}`],
    ] as const) {
      const { status, json } = await rig.admin(method, path, { ...scheduled, ...windows });
      expect([method, status, json.errors]).toEqual([method, 422, refusal]);
    }
    expect((await rig.admin('GET', `${PATH}/${id}`)).json.update_strategy).toBe('staged');
  });

  test('PATCH is judged by what comes of it', async () => {
    const { id } = (await create({})).json;
    const patch = (body: object) => rig.admin('PATCH', `${PATH}/${id}`, body);
    const bare = await patch({ update_strategy: 'scheduled' });
    expect([bare.status, bare.json.errors]).toEqual([422, refusal]);
    expect((await patch({ windows: [night] })).status).toBe(200);
    expect((await patch({ update_strategy: 'scheduled' })).json).toMatchObject({ ...scheduled, windows: [night] });
    const emptied = await patch({ windows: [] });
    expect([emptied.status, emptied.json.errors]).toEqual([422, refusal]);
    expect((await patch({ windows: [], update_strategy: 'staged' })).json).toMatchObject({ windows: [] });
  });
});

test('a device has a zone by the same rule', async () => {
  const zones = ['Asia/Kolkata', 'Australia/Lord_Howe', 'IST', 'Mars/Base', 'device'];
  const made = await Promise.all(
    zones.map((timezone) => rig.admin('POST', '/api/v1/devices', { devices: [{ timezone }] })),
  );
  expect(made.map(({ status }) => status)).toEqual([201, 201, 422, 422, 422]);
});
