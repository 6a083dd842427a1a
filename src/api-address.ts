/**
 * Where the server is, of an address as people have it at hand: paths of the API are added to it, and examples, documentation
 * and API answers show it together with their beginning.
 */
export function serverAddress(given: string): string {
  // `http://api/v1` begins with a host of that name.
  return given.replace(/(?<=[^/:])\/*(\/api\/v1\/*)?$/, '');
}
