import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** What is no device, whoever registered it: nobody's address, many hosts' address, or what only the machine itself is told. */
const never = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  // Where clouds tell a machine its credentials.
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['224.0.0.0', 3],
] as const)
  never.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['::', 128],
  ['fe80::', 10],
  ['ff00::', 8],
  ['fd00:ec2::', 32],
  // The same of IPv4, through a translator.
  ['64:ff9b::a9fe:0', 112],
] as const)
  never.addSubnet(network, prefix, 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

export type Names = (name: string) => Promise<LookupAddress[]>;
export const realNames: Names = (name) => lookup(name, { all: true, verbatim: true });

export type Found = { ok: true; address: string } | { ok: false; said: string };

/**
 * The address to connect to, once and for all: what is judged is what is connected to, so a name that answers differently the
 * second time gains nothing. An address of this machine is one only where an operator wrote it as such; a name that leads there is
 * refused, because whoever has the name, and not the operator, decides where it leads.
 */
export async function findAddress(registered: string, names: Names): Promise<Found> {
  const literal = isIP(registered) !== 0;
  const addresses = literal ? [registered] : (await names(registered)).map(({ address }) => address);
  const [first] = addresses;
  if (first === undefined) return { ok: false, said: 'its name has no address' };
  const refused = addresses.find((address) => isIn(never, address) || (!literal && isIn(loopback, address)));
  if (refused !== undefined) return { ok: false, said: `its address is not one of a device: ${refused}` };
  return { ok: true, address: first };
}

function isIn(list: BlockList, address: string): boolean {
  const [bare = ''] = address.split('%', 1);
  const family = isIP(bare);
  return family !== 0 && list.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}
