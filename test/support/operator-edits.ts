import type { TestStack } from './stack-fixture';

const WRITERS = 8;
/** Every so many devices are edited over HTTP, by reading, changing and writing back under `if_version`. */
const OVER_HTTP = 10;

/** Adds a variable of its own to the environment of each device's service: none may be missing afterwards. */
export async function editEach(
  stack: TestStack,
  devices: readonly string[],
  variable: string,
  onEdit: () => void,
): Promise<void> {
  const queue = devices.map((uuid, index) => ({ uuid, overHttp: index % OVER_HTTP === 0 })).reverse();
  async function write(): Promise<void> {
    for (let edit = queue.pop(); edit !== undefined; edit = queue.pop()) {
      await (edit.overHttp ? editOverHttp(stack, edit.uuid, variable) : editInSql(stack, edit.uuid, variable));
      onEdit();
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, write));
}

async function editInSql(stack: TestStack, uuid: string, variable: string): Promise<void> {
  await stack.pool.query(
    `update device_target_state set apps = jsonb_set(apps, array['1002', 'services', '0', 'environment', $2], '"set"'), version = version + 1, updated_at = now()
      where device_uuid = $1`,
    [uuid, variable],
  );
}

interface Apps {
  '1002': { services: { environment: Record<string, string> }[] };
}

async function editOverHttp(stack: TestStack, uuid: string, variable: string): Promise<void> {
  for (;;) {
    const { body } = await stack.call('GET', `/devices/${uuid}/target-state`);
    const apps = body['apps'] as Apps;
    for (const service of apps['1002'].services) service.environment[variable] = 'set';
    const { status } = await stack.call('PUT', `/devices/${uuid}/target-state`, { apps, if_version: body['version'] });
    if (status === 200) return;
    // 409: the rollout or another operator was faster; read again.
    if (status !== 409) throw new Error(`the edit of ${uuid} was answered with ${String(status)}`);
  }
}
