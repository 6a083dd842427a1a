/** Told of an image, and it is not proven: what such a device goes back to is what it held before. A list for SQL. */
export const TOLD_UNPROVEN = `'scheduled', 'updating', 'health_checking', 'failed', 'timed_out', 'unreachable'`;
