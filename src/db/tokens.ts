import type { Pool } from 'pg';
import { onlyRow } from './only-row';

export type Role = 'viewer' | 'operator' | 'admin';

export interface TokenRow {
  id: string;
  name: string;
  role: Role;
  created_at: Date;
  created_key: string;
}

const COLUMNS = `id, name, role, created_at, (created_at at time zone 'UTC')::text || '+00' as created_key`;

/** The valid token with this hash. Looking a 256-bit hash up in an index tells nothing by its timing. */
export async function findToken(pool: Pool, hash: Buffer): Promise<{ name: string; role: Role } | null> {
  const { rows } = await pool.query<{ name: string; role: Role }>(
    'select name, role from api_tokens where token_hash = $1 and revoked_at is null',
    [hash],
  );
  return rows[0] ?? null;
}

export async function createToken(pool: Pool, token: { name: string; role: Role; hash: Buffer }): Promise<TokenRow> {
  const inserted = await pool.query<TokenRow>(
    `insert into api_tokens (name, role, token_hash) values ($1, $2, $3) returning ${COLUMNS}`,
    [token.name, token.role, token.hash],
  );
  return onlyRow(inserted);
}

/** Valid tokens, oldest first. */
export async function listTokens(pool: Pool, limit: number, after: [string, string] | undefined): Promise<TokenRow[]> {
  const { rows } = await pool.query<TokenRow>(
    `select ${COLUMNS} from api_tokens
      where revoked_at is null and ($2::timestamptz is null or (created_at, id) > ($2::timestamptz, $3::uuid))
      order by created_at, id limit $1`,
    [limit + 1, after?.[0] ?? null, after?.[1] ?? null],
  );
  return rows;
}

/** True when a valid token was revoked; the row stays, for the record. */
export async function revokeToken(pool: Pool, id: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    'update api_tokens set revoked_at = now() where id = $1 and revoked_at is null',
    [id],
  );
  return rowCount === 1;
}
