/** What reads and changes nothing; `metadata_read` is Azure's name for listing tags. */
const reading = new Set(['pull', 'metadata_read']);

/**
 * The scope to ask a token for. A registry may name a repository otherwise than its address does, so its own words are taken,
 * but never for more than reading: some challenge for `*`, and one that was taken over could ask for `push`.
 */
export function readScope(challenged: string | undefined, repository: string): string {
  const actions = /^repository:[\w./:-]{1,512}:([a-z_,]{1,64})$/.exec(challenged ?? '')?.[1];
  const onlyReads = actions?.split(',').every((action) => reading.has(action)) === true;
  return challenged !== undefined && onlyReads ? challenged : `repository:${repository}:pull`;
}
