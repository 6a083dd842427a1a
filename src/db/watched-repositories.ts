import type { Pool } from 'pg';
import type { WatchRule } from '../domain/watched-tags';
import { onlyRow } from './only-row';

export interface OpenedRepository {
  /** By which it was looked through before; none at the first look, and where the registry's address is another since. */
  rules: WatchRule[];
  /** When this look began, by the database's clock, to the microsecond. */
  askedAt: string;
  /** When the last look began that left nothing open. */
  lookedAt: string | null;
}

/** Notes that a repository is being looked at. What was seen of it at another address of the registry is forgotten. */
export async function openRepository(
  pool: Pool,
  { host, image, place }: { host: string; image: string; place: string },
): Promise<OpenedRepository> {
  await pool.query('delete from watched_repositories where image = $1 and (place <> $2 or host <> $3)', [
    image,
    place,
    host,
  ]);
  return onlyRow(
    await pool.query<OpenedRepository>(
      `insert into watched_repositories as known (image, host, place) values ($1, $2, $3)
       on conflict (image) do update set asked_at = now()
       returning rules, asked_at::text as "askedAt", looked_at::text as "lookedAt"`,
      [image, host, place],
    ),
  );
}

/** Keeps by which rules the repository has been looked through; `whole`: nothing was left open. */
export async function closeRepository(
  pool: Pool,
  image: string,
  look: { rules: readonly WatchRule[]; askedAt: string; whole: boolean },
): Promise<void> {
  await pool.query(
    `update watched_repositories set rules = $2, looked_at = case when $4 then greatest(looked_at, $3::timestamptz) else looked_at end
      where image = $1`,
    [image, JSON.stringify(look.rules), look.askedAt, look.whole],
  );
}

/** Forgets what is watched no more: should it be again, its first look starts nothing. */
export async function forgetOthers(pool: Pool, host: string, watched: readonly string[]): Promise<void> {
  await pool.query('delete from watched_repositories where host = $1 and image <> all ($2::text[])', [host, watched]);
}

/** Of a registry that is not looked at, nothing is remembered: to be looked at again is to be looked at for the first time. */
export async function forgetUnwatchedRegistries(pool: Pool): Promise<void> {
  await pool.query('delete from watched_repositories w using registries r where r.host = w.host and not r.reconcile');
}

/** The hosts of registries that are looked at. */
export async function reconciledHosts(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ host: string }>('select host from registries where reconcile order by host');
  return rows.map(({ host }) => host);
}

/** Known repositories, the one that waits longest first. */
export async function repositoriesByAge(pool: Pool, host: string): Promise<string[]> {
  const { rows } = await pool.query<{ image: string }>(
    'select image from watched_repositories where host = $1 order by asked_at, image',
    [host],
  );
  return rows.map(({ image }) => image);
}
