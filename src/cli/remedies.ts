/** What to type next where a push starts nothing, because the API's own sentence speaks of requests or of nothing. */
export function remedyFor(outcome: string, image: string): string | undefined {
  const force = `\`fleetwave trigger ${image} --force\``;
  if (outcome === 'duplicate') return `${force} makes another attempt, once that rollout has ended.`;
  if (outcome === 'held')
    return `\`fleetwave holds\` shows it, \`fleetwave lift-hold <id>\` lifts it; ${force} passes over it once.`;
  return undefined;
}
