import { parseImageReference } from './image-reference';
import type { ReportedService } from './report';

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
    message: text(service['message']),
  };
}

/**
 * True when a device that reports `reported` runs `wanted`: the same image and tag, in whatever form each is written,
 * and the same digest wherever both sides know one.
 */
export function sameImage(wanted: string, reported: string, reportedDigest: string | null): boolean {
  const want = parseImageReference(wanted);
  const have = parseImageReference(reported);
  if (!want.ok || !have.ok) return wanted === reported;
  if (want.reference.image !== have.reference.image) return false;
  const digest = have.reference.digest ?? reportedDigest;
  if (want.reference.digest !== null && digest !== null) return want.reference.digest === digest;
  // A device that names its image by digest alone has said nothing about the tag.
  if (have.reference.tag === null && have.reference.digest !== null) return want.reference.tag === null;
  return (want.reference.tag ?? 'latest') === (have.reference.tag ?? 'latest');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
