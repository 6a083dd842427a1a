import { randomUUID, sign, X509Certificate } from 'node:crypto';
import { serve, type LoopbackServer } from './loopback-server';

/** What it was asked: who, and for what. */
export interface TokenRequest {
  user: string | null;
  scopes: string[];
  service: string | null;
}

export interface TokenServer extends LoopbackServer {
  asked: TokenRequest[];
}

/** Signs tokens as Distribution's `auth: token` checks them (https://distribution.github.io/distribution/spec/auth/jwt/). */
export async function startTokenServer(options: {
  key: string;
  cert: string;
  issuer: string;
  users: Record<string, string>;
  seconds: number;
}): Promise<TokenServer> {
  const asked: TokenRequest[] = [];
  const server = await serve((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://token.server');
    const [user, password] = Buffer.from(request.headers.authorization?.slice('Basic '.length) ?? '', 'base64')
      .toString()
      .split(':');
    const scopes = searchParams.getAll('scope');
    const service = searchParams.get('service');
    asked.push({ user: user === '' ? null : (user ?? null), scopes, service });
    if (user === undefined || password === undefined || options.users[user] !== password)
      return void response.writeHead(401).end();
    const [type, name, actions = ''] = scopes[0]?.split(':') ?? [];
    // Not Date.now, which a test moves for the client.
    const now = Math.floor(new Date().getTime() / 1000);
    const claims = {
      ...{ iss: options.issuer, sub: user, aud: service, jti: randomUUID() },
      ...{ iat: now, nbf: now - 5, exp: now + options.seconds },
      access: [{ type, name, actions: actions.split(',') }],
    };
    const token = signed(claims, options);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token, expires_in: options.seconds }));
  });
  return { ...server, asked };
}

function signed(claims: object, { key, cert }: { key: string; cert: string }): string {
  const header = { typ: 'JWT', alg: 'ES256', x5c: [new X509Certificate(cert).raw.toString('base64')] };
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}
