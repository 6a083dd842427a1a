import { z } from 'zod';
import { parseImageReference } from '../../domain/image-reference';

const Entry = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
/** Docker's `config.json`, Podman's `auth.json`. */
const AuthFile = z.object({ auths: z.record(z.string(), Entry).default({}) });

export interface EngineAuth {
  serveraddress: string;
  username?: string;
  password?: string;
  identitytoken?: string;
}

/**
 * The credentials for an image from the text of an auth file: those of the longest entry that its name is under, as
 * Podman reads it. @throws Error when the text is no such file; it names the file and quotes nothing.
 */
export function authFor(fileText: string, imageName: string, fileName: string): EngineAuth | null {
  const parsed = parseImageReference(imageName);
  if (!parsed.ok) return null;
  const { auths } = parsedFile(fileText, fileName);
  const { image, registry } = parsed.reference;
  const matching = Object.entries(auths)
    .map(([place, entry]) => ({ place: bare(place), entry }))
    .filter(({ place }) => image === place || image.startsWith(`${place}/`))
    .sort((a, b) => b.place.length - a.place.length);
  const entry = matching[0]?.entry;
  if (entry === undefined) return null;
  if (entry.identitytoken !== undefined) return { serveraddress: registry, identitytoken: entry.identitytoken };
  const decoded = entry.auth === undefined ? '' : Buffer.from(entry.auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  const username = entry.username ?? decoded.slice(0, Math.max(colon, 0));
  const password = entry.password ?? decoded.slice(colon + 1);
  return username === '' ? null : { serveraddress: registry, username, password };
}

/** The errors of a parser quote what they stumble over: here that is a password, on its way to the log and the server. */
function parsedFile(text: string, fileName: string): z.infer<typeof AuthFile> {
  try {
    return AuthFile.parse(JSON.parse(text));
  } catch {
    throw new Error(`${fileName} is not a file of registry credentials as docker and Podman write it`);
  }
}

/** `https://index.docker.io/v1/`, as docker itself writes it, is Docker Hub. */
function bare(place: string): string {
  const name = place.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
  return name === 'index.docker.io' ? 'docker.io' : name;
}
