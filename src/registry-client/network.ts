import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { bareAddress, isLoopbackAddress, isPublicAddress } from './addresses';

/** What the client knows of the world; a test gives its own names. */
export interface Network {
  addressesOf(hostname: string): Promise<LookupAddress[]>;
  /** Neither this machine nor anything beside it. */
  isPublic(address: string): boolean;
  /** In PEM, beside those of Node.js; an installation has NODE_EXTRA_CA_CERTS. */
  certificateAuthorities?: string[];
}

export const realNetwork: Network = {
  addressesOf: (hostname) => lookup(hostname, { all: true, verbatim: true }),
  isPublic: isPublicAddress,
};

/**
 * Which addresses a request may go to: any for a host that an operator has configured, only loopback where it is insecure, and
 * only public ones for a host that a registry named itself.
 */
export type AddressRule = 'configured' | 'loopback' | 'public';

/** Nothing was sent. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

function isAllowed(network: Network, rule: AddressRule, address: string): boolean {
  if (rule === 'configured') return true;
  return rule === 'loopback' ? isLoopbackAddress(address) : network.isPublic(address);
}

/** @throws AddressRefused for a host that is written as an address, of which no name is looked up. */
export function checkLiteral(network: Network, rule: AddressRule, hostname: string): void {
  const address = bareAddress(hostname);
  if (isIP(address) !== 0 && !isAllowed(network, rule, address)) throw refused(rule, hostname);
}

/**
 * For a connection's `lookup`: the addresses that were judged are those that are connected to, so a name that answers
 * differently the second time gains nothing.
 */
export function judgedLookup(network: Network, rule: AddressRule): LookupFunction {
  return (hostname, options, callback) => {
    network.addressesOf(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (first === undefined)
          callback(Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' }), '');
        else if (!addresses.every(({ address }) => isAllowed(network, rule, address)))
          callback(refused(rule, hostname), '');
        else if (options.all === true) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, ''),
    );
  };
}

function refused(rule: AddressRule, hostname: string): AddressRefused {
  const place = rule === 'loopback' ? 'no loopback address' : 'a loopback, private or otherwise special address';
  return new AddressRefused(`${hostname} is ${place}`);
}
