import { createHmac } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { digestOf } from './intake';
import { bearer, hmac, json, SECRET, type Headers } from './registry-deliveries';
import { SNS_NOW, SNS_TOPIC, signedBySns, snsHeaders, snsNotification } from './sns-messages';

export interface Sent {
  raw: Buffer;
  headers: Headers;
  /** With its question mark. */
  query?: string;
}

/** A delivery that is understood as it stands, and how it is sent, with its proof, once it was changed. */
export interface Seed {
  kind: string;
  source?: object;
  body: object;
  send(body: Buffer): Sent;
}

export const FUZZ_NOW = SNS_NOW;
const HOST = 'registry.acme.io';
const AUDIENCE = 'https://fleet.acme.io/api/v1/webhooks/gar';
const EMAIL = 'pubsub-push@acme-prod.iam.gserviceaccount.com';
const image = { repository: 'acme/api', tag: '1.4.2' };
const digest = digestOf('a');
const index = 'application/vnd.oci.image.index.v1+json';

const envelope = {
  events: [
    {
      ...{ id: 'e1', timestamp: FUZZ_NOW, action: 'push' },
      target: { mediaType: index, digest, ...image, references: [{ mediaType: index }] },
      request: { host: HOST },
    },
    { id: 'e2', action: 'pull', target: { mediaType: index, digest, ...image } },
  ],
};
const hub = { repository: { repo_name: 'acme/api' }, push_data: { tag: '1.4.2', pushed_at: 1767225600 } };
const packagePublished = {
  action: 'published',
  package: {
    ...{ name: 'api', namespace: 'acme', package_type: 'CONTAINER', owner: { login: 'Acme' } },
    package_version: {
      ...{ name: digest, version: digest, package_url: 'ghcr.io/acme/api:1.4.2' },
      container_metadata: { tag: { name: '1.4.2', digest }, manifest: { digest, media_type: index } },
    },
  },
};
const harbor = {
  ...{ type: 'PUSH_ARTIFACT', occur_at: 1767225600, operator: 'ci' },
  event_data: {
    resources: [{ digest, tag: '1.4.2', resource_url: `${HOST}/acme/api:1.4.2` }],
    repository: { repo_full_name: 'acme/api', name: 'api', namespace: 'acme', date_created: 1767225600 },
  },
};
const acr = {
  ...{ id: 'a1', timestamp: FUZZ_NOW, action: 'push' },
  target: { mediaType: index, digest, ...image },
  request: { host: 'acme.azurecr.io' },
};
const ecr = {
  ...{ version: '0', id: 'c1', 'detail-type': 'ECR Image Action', source: 'aws.ecr', account: '123456789012' },
  ...{ time: FUZZ_NOW, region: 'eu-west-1', resources: [] },
  detail: {
    ...{ result: 'SUCCESS', 'action-type': 'PUSH', 'repository-name': 'acme/api' },
    ...{ 'image-tag': '1.4.2', 'image-digest': digest },
  },
};
const google = 'europe-west4-docker.pkg.dev/acme/images/api';
const gar = { action: 'INSERT', digest: `${google}@${digest}`, tag: `${google}:1.4.2` };
const cloudEvent = {
  ...{ specversion: '1.0', id: '1', source: '/ci', type: 'io.acme.image.pushed', time: FUZZ_NOW },
  data: { registry: HOST, ...image, digest },
};
const cdEvent = {
  ...{ specversion: '1.0', id: '2', source: '/ci', type: 'dev.cdevents.artifact.published.0.2.0' },
  data: {
    context: { id: '2', source: '/ci', type: 'dev.cdevents.artifact.published.0.2.0', timestamp: FUZZ_NOW },
    subject: { id: `pkg:oci/api@${digest}?repository_url=${HOST}/acme/api&tag=1.4.2`, content: {} },
  },
};

const withBearer = (headers: Headers) => (raw: Buffer) => ({ raw, headers: { ...headers, ...bearer() } });
const withQuery = (headers: Headers) => (raw: Buffer) => ({ raw, headers, query: `?secret=${SECRET}` });
const cloudEvents = { 'content-type': 'application/cloudevents+json' };

function formOf(body: Buffer, headers: (raw: Buffer) => Headers): Sent {
  const raw = Buffer.from(new URLSearchParams({ payload: body.toString('latin1') }).toString());
  return { raw, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers(raw) } };
}
const github = (raw: Buffer): Headers => ({
  ...{ 'x-github-event': 'package', 'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958' },
  'x-hub-signature-256': `sha256=${hmac('sha256', raw)}`,
});
function sns(body: Buffer): Sent {
  let message: unknown;
  try {
    message = JSON.parse(body.toString());
  } catch {
    message = null;
  }
  const isObject = typeof message === 'object' && message !== null && !Array.isArray(message);
  return { raw: isObject ? Buffer.from(JSON.stringify(signedBySns(message as object))) : body, headers: snsHeaders };
}
function standardWebhook(raw: Buffer): Sent {
  const [id, timestamp] = ['push-1', String(Date.parse(FUZZ_NOW) / 1000)];
  const mac = createHmac('sha256', SECRET).update(`${id}.${timestamp}.`).update(raw).digest('base64');
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
  return { raw, headers: { ...json, ...headers } };
}

/** For Google's part: its keys, as they are fetched, and a token of the source's account. */
export async function googleKeys(): Promise<{ jwks: string; google: Headers }> {
  const keys = await generateKeyPair('RS256', { extractable: true });
  const at = Date.parse(FUZZ_NOW) / 1000;
  const token = await new SignJWT({ email: EMAIL, email_verified: true })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuer('https://accounts.google.com')
    .setAudience(AUDIENCE)
    .setSubject('1')
    .setIssuedAt(at)
    .setExpirationTime(at + 3600)
    .sign(keys.privateKey);
  const known = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  return { jwks: JSON.stringify({ keys: [known] }), google: bearer(token) };
}

/** At least one for every kind, two or three where a kind has several shapes. `google` gives the token once it is made. */
export function fuzzSeeds(google: () => Headers): Seed[] {
  const placed = { registry_host: HOST };
  const ownedByGoogle = { secrets: [], options: { audience: AUDIENCE, email: EMAIL } };
  const signedTopic = { secrets: [], options: { topic_arns: [SNS_TOPIC] } };
  const events = (suffix: string) => ({ 'content-type': `application/vnd.docker.distribution.events.${suffix}+json` });
  const gitlab = { kind: 'gitlab', body: envelope, send: withBearer(events('v1')) };
  return [
    { kind: 'docker-registry', body: envelope, send: withBearer(events('v2')) },
    { kind: 'docker-registry', body: hub, send: withQuery(json) },
    { kind: 'docker-registry', body: packagePublished, send: (raw) => ({ raw, headers: { ...json, ...github(raw) } }) },
    { kind: 'dockerhub', body: hub, send: withQuery(json) },
    { kind: 'distribution', body: envelope, send: withBearer(events('v2')) },
    gitlab,
    { kind: 'github', body: packagePublished, send: (raw) => ({ raw, headers: { ...json, ...github(raw) } }) },
    { kind: 'github', body: packagePublished, send: (body) => formOf(body, github) },
    {
      kind: 'jfrog',
      source: { options: { use_secret_for_signing: true }, repositories: { 'docker-local': 'acme.jfrog.io/docker' } },
      body: {
        ...{ domain: 'docker', event_type: 'pushed', jpd_origin: 'https://acme.jfrog.io' },
        data: {
          ...{ repo_key: 'docker-local', path: 'acme/api/1.4.2/manifest.json', name: 'manifest.json', size: 900 },
          ...{ sha256: 'a'.repeat(64), image_name: 'acme/api', tag: '1.4.2' },
        },
      },
      send: (raw) => ({ raw, headers: { ...json, 'x-jfrog-event-auth': hmac('sha256', raw) } }),
    },
    {
      kind: 'nexus',
      source: { repositories: { 'docker-hosted': 'nexus.acme.io:8082' } },
      body: {
        ...{ timestamp: FUZZ_NOW, nodeId: 'n', initiator: 'ci', repositoryName: 'docker-hosted', action: 'CREATED' },
        component: { id: 'c', componentId: 'd', format: 'docker', name: 'acme/api', group: null, version: '1.4.2' },
      },
      send: (raw) => ({
        raw,
        headers: {
          ...{ ...json, 'x-nexus-webhook-id': 'rm:repository:component', 'x-nexus-webhook-delivery': 'd1' },
          'x-nexus-webhook-signature': hmac('sha1', raw),
        },
      }),
    },
    {
      kind: 'ecr',
      body: [ecr, { ...ecr, id: 'c2' }],
      send: (raw) => ({ raw, headers: { ...json, 'x-api-key': SECRET } }),
    },
    {
      kind: 'gar',
      source: ownedByGoogle,
      body: gar,
      send: (body) => {
        const message = { data: body.toString('base64'), messageId: '7320', publishTime: FUZZ_NOW };
        const raw = Buffer.from(JSON.stringify({ message, subscription: 'projects/acme/subscriptions/push' }));
        return { raw, headers: { ...json, ...google() } };
      },
    },
    {
      kind: 'gar',
      source: ownedByGoogle,
      body: { message: { data: Buffer.from(JSON.stringify(gar)).toString('base64'), messageId: '7321' } },
      send: (raw) => ({ raw, headers: { ...json, ...google() } }),
    },
    {
      kind: 'alibaba',
      source: placed,
      body: {
        push_data: { digest, tag: '1.4.2', pushed_at: '2026-01-01 00:00:00' },
        repository: { repo_full_name: 'acme/api', namespace: 'acme', name: 'api', region: 'cn-hangzhou' },
      },
      send: withQuery(json),
    },
    { kind: 'tencent', body: { ...harbor, type: 'pushImage' }, send: withBearer(json) },
    { kind: 'harbor', body: harbor, send: (raw) => ({ raw, headers: { ...json, authorization: SECRET } }) },
    {
      kind: 'harbor',
      body: {
        ...{ specversion: '1.0', id: 'h1', source: '/projects/1/webhook', type: 'harbor.artifact.pushed' },
        ...{ time: FUZZ_NOW, datacontenttype: 'application/json', data: harbor.event_data },
      },
      send: (raw) => ({ raw, headers: { ...cloudEvents, authorization: SECRET } }),
    },
    {
      kind: 'quay',
      body: {
        ...{ repository: 'acme/api', namespace: 'acme', name: 'api', docker_url: 'quay.io/acme/api' },
        ...{ homepage: 'https://quay.io/repository/acme/api', updated_tags: ['1.4.2', 'latest'] },
      },
      send: withQuery(json),
    },
    {
      kind: 'gitea',
      body: {
        action: 'created',
        package: {
          ...{ id: 311, owner: { login: 'Acme' }, type: 'container', name: 'api', version: '1.4.2' },
          html_url: 'https://git.acme.io/Acme/-/packages/container/api/1.4.2',
          created_at: FUZZ_NOW,
        },
      },
      send: (raw) => ({
        raw,
        headers: {
          ...{ ...json, 'x-gitea-event': 'package', 'x-gitea-delivery': 'd1' },
          'x-gitea-signature': hmac('sha256', raw),
        },
      }),
    },
    {
      kind: 'msr',
      body: {
        ...{ type: 'TAG_PUSH', createdAt: FUZZ_NOW },
        contents: { namespace: 'acme', repository: 'api', tag: '1.4.2', digest, imageName: `${HOST}/acme/api:1.4.2` },
      },
      send: withQuery(json),
    },
    { kind: 'acr', body: acr, send: withBearer(json) },
    {
      kind: 'eventgrid',
      body: [{ id: 'g1', eventType: 'Microsoft.ContainerRegistry.ImagePushed', eventTime: FUZZ_NOW, data: acr }],
      send: (raw) => ({ ...withQuery({ ...json, 'aeg-event-type': 'Notification' })(raw) }),
    },
    {
      kind: 'eventgrid',
      body: {
        ...{ specversion: '1.0', id: 'g2', source: '/subscriptions/acme', data: acr },
        type: 'Microsoft.ContainerRegistry.ImagePushed',
      },
      send: withQuery(cloudEvents),
    },
    {
      kind: 'zot',
      source: placed,
      body: { name: 'acme/api', reference: '1.4.2', digest, mediaType: index, manifest: '{}' },
      send: withBearer({
        ...{ ...json, 'ce-specversion': '1.0', 'ce-type': 'zotregistry.image.updated' },
        ...{ 'ce-source': 'zotregistry.dev', 'ce-id': '1' },
      }),
    },
    { kind: 'cloudevents', body: cloudEvent, send: withBearer(cloudEvents) },
    {
      kind: 'cloudevents',
      body: [cloudEvent, cdEvent],
      send: withBearer({ 'content-type': 'application/cloudevents-batch+json' }),
    },
    { kind: 'cloudevents', body: cdEvent, send: withBearer(cloudEvents) },
    { kind: 'generic', body: { registry: HOST, ...image, digest }, send: standardWebhook },
    { kind: 'sns', source: signedTopic, body: snsNotification(JSON.stringify(ecr)), send: sns },
    {
      kind: 'sns',
      source: signedTopic,
      body: ecr,
      send: (body) => sns(Buffer.from(JSON.stringify(snsNotification(body.toString())))),
    },
  ];
}
