/** Does the work for each, so many at once, in their order. The first error ends it after what is under way. */
export async function someAtOnce<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const lane = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  const done = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  for (const one of done) if (one.status === 'rejected') throw one.reason;
}
