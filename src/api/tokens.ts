import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { createToken, listTokens, revokeToken, type TokenRow } from '../db/tokens';
import { jsonBody } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { idParams, pageQuery, text, TimeAndId, Uuid } from './fields';
import { hashSecret } from './operators';
import { notFound } from './problem';
import { route, type Route } from './route';

const Role = z.enum(['viewer', 'operator', 'admin']);
const NewToken = z.strictObject({ name: text(100), role: Role });
const Token = z.object({ id: Uuid, name: z.string(), role: Role, created_at: z.iso.datetime() });

export function tokenRoutes({ pool, operators }: ApiDeps): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/v1/tokens',
      tag: 'Tokens',
      summary: 'Make a bearer token with a role; it is shown once',
      access: 'admin',
      body: jsonBody(NewToken),
      answers: { 201: { description: 'Made', schema: Token.extend({ token: z.string() }) } },
      handle: async ({ body }) => {
        // The prefix lets secret scanners and people recognise what was leaked.
        const token = `fw_${randomBytes(32).toString('base64url')}`;
        const row = await createToken(pool, { ...body, hash: hashSecret(token) });
        return { status: 201, body: { ...shown(row), token } };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/tokens',
      tag: 'Tokens',
      summary: 'Valid tokens, without their secrets',
      access: 'admin',
      query: pageQuery(TimeAndId),
      answers: {
        200: {
          description: 'A page of tokens',
          schema: z.object({ tokens: z.array(Token), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query }) => {
        const rows = await listTokens(pool, query.limit, query.cursor);
        const { items, next_cursor } = page(rows, query.limit, shown, (row) => [row.created_key, row.id]);
        return { status: 200, body: { tokens: items, next_cursor } };
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/tokens/:id',
      tag: 'Tokens',
      summary: 'Revoke a token',
      access: 'admin',
      params: idParams('a token'),
      answers: { 204: { description: 'Revoked: at once here, within seconds in other API processes' } },
      handle: async ({ params }) => {
        if (!(await revokeToken(pool, params.id))) throw notFound('token', params.id);
        operators.forget();
        return { status: 204 };
      },
    }),
  ];
}

function shown(row: TokenRow): z.infer<typeof Token> {
  return { id: row.id, name: row.name, role: row.role, created_at: row.created_at.toISOString() };
}
