import { expect, test } from '@jest/globals';
import { AgentSettings } from '../../../src/agent/settings';

test.each(['', '/', '/api/v1', '/api/v1/'])('an address that ends in "%s" is that of the server', (end) => {
  expect(AgentSettings.parse({ FLEETWAVE_URL: `https://acme.io/fleet${end}` }).FLEETWAVE_URL).toBe(
    'https://acme.io/fleet',
  );
});

test('what is no address of http is refused', () => {
  expect(AgentSettings.safeParse({ FLEETWAVE_URL: 'acme.io/api/v1' }).success).toBe(false);
});
