import { describe, expect, it } from '@jest/globals';
import { availableCommands, commandDescriptions, commandEffect, commands } from '../../src/domain/commands';
import { parseRolloutWorkflowId, rolloutWorkflowId, fitsWorkflowId } from '../../src/domain/ids';
import { isFinal, rolloutStatuses, rolloutTransitions } from '../../src/domain/rollout-states';

describe('the table of commands and states', () => {
  it('says for every command in every state what it does, or why it does nothing', () => {
    for (const command of commands)
      for (const status of rolloutStatuses) {
        const cell = commandEffect(command, status);
        expect(cell.applies ? cell.effect : cell.why).toMatch(/^\S.{5,}/);
        if (isFinal(status)) expect(cell.applies).toBe(command === 'rollback' && status !== 'rolled_back');
      }
  });

  it('lets cancel win from every state that is not final', () => {
    for (const status of rolloutStatuses) expect(commandEffect('cancel', status).applies).toBe(!isFinal(status));
  });

  it('describes every command for the Temporal UI', () => {
    for (const command of commands) expect(commandDescriptions[command].length).toBeGreaterThan(10);
  });

  it('offers what applies', () => {
    expect(availableCommands('paused')).toEqual(['resume', 'cancel', 'rollback', 'retry', 'exclude']);
    expect(availableCommands('completed')).toEqual(['rollback']);
    expect(availableCommands('rolled_back')).toEqual([]);
  });
});

describe('the states of a rollout', () => {
  it('name only states there are, and every state that is not final can be cancelled', () => {
    for (const status of rolloutStatuses) {
      for (const next of rolloutTransitions[status]) expect(rolloutStatuses).toContain(next);
      if (!isFinal(status)) expect(rolloutTransitions[status]).toContain('cancelled');
    }
  });
});

describe('the workflow id', () => {
  it.each([
    ['docker.io/library/redis', '7.5-alpine'],
    ['registry.acme.io:5000/edge/app', 'v1'],
    ['[::1]:5000/app', 'latest'],
  ])('of %s:%s is read back', (image, tag) => {
    expect(parseRolloutWorkflowId(rolloutWorkflowId(image, tag))).toEqual({ image, tag });
  });

  it('is refused when Temporal would refuse it', () => {
    expect(fitsWorkflowId('docker.io/library/redis', '7')).toBe(true);
    expect(fitsWorkflowId(`docker.io/${'a'.repeat(250)}`, '7')).toBe(false);
  });

  it.each(['rollout:', 'rollout:a', 'rollout:a:', 'rollback:a:b', ''])('%j is none', (id) => {
    expect(parseRolloutWorkflowId(id)).toBeNull();
  });
});
