import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { judgeReport, type ServiceChange } from '../../src/domain/report';
import { provesImage, reportedServices } from '../../src/domain/report-services';
import { createTestDatabase, type TestDatabase } from '../support/database';

/** One table through both: what SQL takes for failing at the turn is what TypeScript judges to have failed in a report. */
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const OLD = 'redis:7.4';
const change = (given: Partial<ServiceChange> = {}): ServiceChange => ({
  app_id: '1002',
  service_id: 1,
  service: 'redis',
  index: 0,
  field: 'imageName',
  from: OLD,
  to: 'redis:7.5',
  ...given,
});
const service = (given: object = {}): object => ({
  serviceId: 1,
  serviceName: 'redis',
  imageName: OLD,
  status: 'running',
  ...given,
});
const apps = (...services: object[]): object => ({ '1002': { services } });

const STATUSES = [
  ...['exited', 'dead', 'failed', 'rejected', 'error', 'crashloopbackoff', 'errimagepull', 'imagepullbackoff'],
  ...['startfailure', 'healthcheckfailed', 'oomkilled'],
  ...['running', 'starting', 'created', 'restarting', 'paused', 'pulling', 'updating', 'stopping', 'unknown', ''],
];

const cases: [string, ServiceChange[], unknown][] = [
  ...STATUSES.flatMap((status): [string, ServiceChange[], unknown][] => [
    [`status "${status}"`, [change()], apps(service({ status }))],
    [`status "${status.toUpperCase()}"`, [change()], apps(service({ status: status.toUpperCase() }))],
  ]),
  ['no status', [change()], apps({ serviceId: 1, imageName: OLD })],
  ['health unhealthy', [change()], apps(service({ health: 'unhealthy' }))],
  ['health Unhealthy', [change()], apps(service({ health: 'Unhealthy' }))],
  ['health healthy', [change()], apps(service({ health: 'healthy' }))],
  ['health starting', [change()], apps(service({ health: 'starting' }))],
  ['exited and healthy', [change()], apps(service({ status: 'exited', health: 'healthy' }))],
  [
    'another service fails',
    [change()],
    apps(service(), service({ serviceId: 2, serviceName: 'web', status: 'exited' })),
  ],
  [
    'the service has moved to another place',
    [change()],
    apps(service({ serviceId: 2, serviceName: 'web' }), service({ status: 'exited' })),
  ],
  [
    'the service in its old place is another one',
    [change()],
    apps(service({ serviceId: 2, serviceName: 'web', status: 'exited' }), service()),
  ],
  ['its id is reported as text', [change()], apps(service({ serviceId: '1', status: 'exited' }))],
  ['its id was recorded as text', [change({ service_id: '1' })], apps(service({ status: 'exited' }))],
  ['it is reported by name alone', [change()], apps({ serviceName: 'redis', imageName: OLD, status: 'exited' })],
  ['it was recorded by name alone', [change({ service_id: null })], apps(service({ status: 'exited' }))],
  [
    'it has neither id nor name',
    [change({ service_id: null, service: null })],
    apps({ imageName: OLD, status: 'exited' }),
  ],
  ['the report names no service at all', [change()], apps({ imageName: OLD, status: 'exited' })],
  [
    'the second of two services fails',
    [change(), change({ service_id: 2, service: 'web', index: 1 })],
    apps(service(), service({ serviceId: 2, serviceName: 'web', status: 'dead' })),
  ],
  ['another app fails', [change()], { '7': { services: [service({ status: 'exited' })] }, ...apps(service()) }],
  ['the app is not reported', [change()], { '7': { services: [service({ status: 'exited' })] } }],
  ['its services are no list', [change()], { '1002': { services: { redis: service({ status: 'exited' }) } } }],
  [
    'its services hold what is no service',
    [change()],
    apps(null as unknown as object, 'redis' as unknown as object, service({ status: 'exited' })),
  ],
  ['its status is a number', [change()], apps(service({ status: 137 }))],
  ['nothing is reported', [change()], {}],
  ['the report is null', [change()], null],
  ['nothing is changed', [], apps(service({ status: 'exited' }))],
];

describe('failing before', () => {
  it.each(cases)('is the same in SQL and in TypeScript where %s', async (_name, changes, reported) => {
    const { rows } = await database.pool.query<{ failing: boolean }>('select fleetwave.is_failing($1, $2) as failing', [
      JSON.stringify(changes),
      JSON.stringify(reported),
    ]);
    const finding = judgeReport(changes, 'from', reportedServices(reported), provesImage);
    expect(rows).toEqual([{ failing: finding.kind === 'failed' }]);
  });

  it('a device that has never reported is not', async () => {
    const { rows } = await database.pool.query('select fleetwave.is_failing($1, null) as failing', [
      JSON.stringify([change()]),
    ]);
    expect(rows).toEqual([{ failing: false }]);
  });
});
