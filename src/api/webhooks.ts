import { z } from 'zod';
import { rawBody } from './body';
import { deliveryOf, requestRecord } from './delivery-record';
import type { ApiDeps } from './deps';
import { noSource, receiveDelivery, requireMethod, type Intake } from './receive-delivery';
import { registryKinds } from './registries';
import { route, type Answer, type Call, type Route } from './route';
import { createSourceContacts, type SourceContacts } from './source-contacts';
import { builtInSource, createSourceStore, isSourceName, type SourceStore, type StoredSource } from './source-store';
import { createOutside } from './verification/outside';
import { fetchText } from './verification/fetch-text';
import { WebhookAnswer } from './webhook-answer';
import { noteRefusals } from './webhook-refusals';

const PATH = '/api/v1/webhooks/:name';
const SourceParams = z.strictObject({ name: z.string().max(200) });

/** For the documentation: each kind decides what it takes of it. */
const Delivery = z.looseObject({}).meta({
  description:
    'Docker Hub\'s body (the example), the event envelope of a Distribution registry (`{"events": [...]}`), or a GitHub `package` or `registry_package` event with its `X-GitHub-Event` header.',
  example: { repository: { repo_name: 'redis' }, push_data: { tag: '7.5-alpine', pushed_at: 1767225600 } },
});
const AnyDelivery = z
  .unknown()
  .meta({ description: "What the source's kind sends; `GET .../test` says what that is." });

/** Bytes are read before the source is known; its kind's own limit is looked at then. */
const MOST_BYTES = Math.max(...registryKinds.map((kind) => kind.limitBytes));

const answers: Route['answers'] = {
  200: { description: 'Understood, and nothing was pushed', schema: WebhookAnswer },
  202: {
    description: 'Stored; a rollout starts where an outcome is `started`, `superseding` or `queued`',
    schema: WebhookAnswer,
  },
  401: { description: 'The delivery does not prove that it comes from this source' },
  403: {
    description: '`not_approved` is all there is to say: the images wait for approval',
    schema: WebhookAnswer,
  },
  413: { description: 'Larger than this kind of source takes' },
  415: { description: 'A content type or encoding that this kind of source does not send' },
  422: { description: 'The body cannot be read; `errors` names the field' },
  503: { description: 'The database is away: send it again' },
};

/** What registries call. Answered after the accepting transaction, never before; the workflow starts after the answer. */
export function webhookRoutes(
  deps: ApiDeps,
  sources: SourceStore = createSourceStore(deps),
  contacts: SourceContacts = createSourceContacts(deps),
): Route[] {
  const { pool, log, dispatcher } = deps;
  const outside = deps.outside ?? createOutside(fetchText);
  const intake: Intake = { pool, log, dispatcher, sources, contacts, outside };
  const about = { tag: 'Webhooks', access: 'public' as const };
  const delivery = { ...about, refused: noteRefusals(sources, contacts) };
  const asks = { 200: { description: 'What this sender wants to hear before it sends' } };
  const own = rawBody({ limitBytes: MOST_BYTES, documentedAs: AnyDelivery });
  const take = ({
    request,
    body,
    params,
  }: Pick<Call<{ name: string }, unknown, Buffer>, 'request' | 'body' | 'params'>) =>
    receive(intake, params.name, request, body);
  const ask = ({ request, params }: Pick<Call<{ name: string }>, 'request' | 'params'>) =>
    receive(intake, params.name, request, Buffer.alloc(0));
  return [
    route({
      ...{ ...delivery, method: 'post', path: `/api/v1/webhooks/${builtInSource}`, answers },
      summary: 'A push announced by Docker Hub, a Distribution registry or GitHub packages',
      body: rawBody({ limitBytes: MOST_BYTES, documentedAs: Delivery }),
      handle: ({ request, body }) => receive(intake, builtInSource, request, body),
    }),
    route({
      ...{ ...about, method: 'get', path: `${PATH}/test`, params: SourceParams },
      summary: 'What this source would accept',
      answers: { 200: { description: 'Its kind, and how a delivery proves itself', schema: SourceTest } },
      handle: async ({ params }) => ({ status: 200, body: testAnswer(await findSource(sources, params.name)) }),
    }),
    route({
      ...{ ...delivery, method: 'post', path: PATH, params: SourceParams, body: own, answers, handle: take },
      summary: 'A push announced by a source of PUT /webhook-sources/:name',
    }),
    route({
      ...{ ...delivery, method: 'put', path: PATH, params: SourceParams, body: own, answers, handle: take },
      summary: 'The same, for senders that put',
    }),
    route({
      ...{ ...delivery, method: 'get', path: PATH, params: SourceParams, answers: asks, handle: ask },
      summary: 'A sender asks whether it may send; 405 where this kind does not ask so',
    }),
    route({
      ...{ ...delivery, method: 'options', path: PATH, params: SourceParams, answers: asks, handle: ask },
      summary: 'A sender asks whether it may send; 405 where this kind does not ask so',
    }),
  ];
}

async function receive(intake: Intake, name: string, request: Call['request'], raw: Buffer): Promise<Answer> {
  const stored = await findSource(intake.sources, name);
  const delivery = deliveryOf(request, raw);
  requireMethod(stored, delivery.method);
  return receiveDelivery(intake, stored, delivery, (secrets) => requestRecord(request, raw, secrets));
}

async function findSource(sources: SourceStore, name: string): Promise<StoredSource> {
  const stored = isSourceName(name) ? await sources.find(name) : null;
  if (stored === null) throw noSource(name);
  return stored;
}

const SourceTest = z.object({
  source: z.string(),
  kind: z.string(),
  title: z.string(),
  methods: z.array(z.string()),
  content_types: z.array(z.string()),
  limit_bytes: z.number().int(),
  proof: z.string().describe('How a delivery proves itself.'),
});

/** Public, because whoever sets up a sender may have no token; nothing in it is of this installation but the name. */
function testAnswer({ kind, source, allowUnsigned }: StoredSource): z.infer<typeof SourceTest> {
  const open = source.secrets.length === 0 && allowUnsigned;
  return {
    source: source.name,
    kind: kind.name,
    title: kind.title,
    methods: ['POST', ...kind.methods],
    content_types: kind.contentTypes.filter((type) => type !== ''),
    limit_bytes: kind.limitBytes,
    proof: open ? 'none is asked for' : kind.proofInWords,
  };
}
