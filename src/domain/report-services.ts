import { parseImageReference, type ImageReference } from './image-reference';
import type { ProvesImage, ReportedService } from './report';

/**
 * The services of a reported `apps` document, whatever an agent of any age put there: what has not the expected shape
 * is passed over, because a device that reports oddly must not be a device that cannot report.
 */
export function reportedServices(apps: unknown): ReportedService[] {
  if (!isObject(apps)) return [];
  return Object.entries(apps).flatMap(([appId, app]) => {
    const services = isObject(app) ? app['services'] : undefined;
    return Array.isArray(services)
      ? services.flatMap((service: unknown, index) =>
          isObject(service) ? [reportedService(appId, index, service)] : [],
        )
      : [];
  });
}

function reportedService(appId: string, index: number, service: Record<string, unknown>): ReportedService {
  const config = isObject(service['config']) ? service['config'] : {};
  const id = service['serviceId'];
  return {
    appId,
    index,
    serviceId: typeof id === 'string' || typeof id === 'number' ? id : null,
    serviceName: text(service['serviceName']),
    image: text(service['imageName']) ?? text(config['image']),
    status: text(service['status']) ?? 'unknown',
    health: text(service['health']),
    digest: text(service['imageDigest']),
    reason: text(service['reason']),
    message: text(service['message']),
    containerId: text(service['containerId']),
    restarts: count(service['restartCount']) ?? count(service['restarts']),
    reportsVolumes: Array.isArray(config['volumes']),
  };
}

/**
 * True when a device that reports `reported` runs `wanted`, and not `other`, what it held on the other side of the change: the
 * same image and tag, in whatever form each is written, and the same digest wherever both sides know one. Where a change is in
 * the digest alone (a re-pushed `latest`), image and tag prove nothing: the digest must be known, or the very text reported.
 */
export function provesImage(wanted: string, other: string, reported: string, reportedDigest: string | null): boolean {
  const want = parseImageReference(wanted);
  const have = parseImageReference(reported);
  if (!want.ok || !have.ok) return wanted === reported;
  if (want.reference.image !== have.reference.image) return false;
  const digest = have.reference.digest ?? reportedDigest;
  const elsewhere = parseImageReference(other);
  if (elsewhere.ok && wanted !== other && nameAndTag(elsewhere.reference) === nameAndTag(want.reference)) {
    if (want.reference.digest === null) return reported === wanted && digest !== elsewhere.reference.digest;
    return digest === want.reference.digest;
  }
  if (want.reference.digest !== null && digest !== null) return want.reference.digest === digest;
  // A device that names its image by digest alone has said nothing about the tag.
  if (have.reference.tag === null && have.reference.digest !== null) return want.reference.tag === null;
  return nameAndTag(want.reference) === nameAndTag(have.reference);
}

/**
 * The same, where the digest of what is rolled out is known though the target names its tag alone: a device that says it runs
 * another one has pulled the tag before it was moved, or after it was moved on.
 */
export function provesRelease(digest: string | null): ProvesImage {
  return (wanted, other, reported, reportedDigest) =>
    provesImage(wanted, other, reported, reportedDigest) && !runsAnother(digest, wanted, reported, reportedDigest);
}

function runsAnother(digest: string | null, wanted: string, reported: string, reportedDigest: string | null): boolean {
  const want = parseImageReference(wanted);
  const have = parseImageReference(reported);
  if (digest === null || !want.ok || want.reference.digest !== null) return false;
  const known = (have.ok ? have.reference.digest : null) ?? reportedDigest;
  return known !== null && known !== digest;
}

function nameAndTag(reference: ImageReference): string {
  return `${reference.image}:${reference.tag ?? 'latest'}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
