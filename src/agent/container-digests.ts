import type { Engine } from './engine';
import { pulledDigest } from './rules/image-digest';
import type { SeenContainer } from './rules/seen-container';
import type { ServiceRecord } from './rules/service-record';

/** The digest that a container's image was pulled by: as noted when it was pulled, else as the engine says, asked once an image. */
export class ContainerDigests {
  readonly #engine: Engine;
  #asked: { imageId: string; digest: string | null } | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async of(container: SeenContainer, noted: ServiceRecord['digests']): Promise<string | null> {
    const known = noted.find(
      ({ imageName, imageId }) => imageName === container.imageName && sameId(imageId, container.imageId),
    );
    if (known !== undefined) return known.digest;
    if (this.#asked?.imageId !== container.imageId) {
      const image = await this.#engine.image(container.imageId);
      const digest = image === null ? null : pulledDigest(container.imageName, image.repoDigests, image.digest);
      this.#asked = { imageId: container.imageId, digest };
    }
    return this.#asked.digest;
  }
}

/** Docker writes `sha256:` before it, Podman does not everywhere. */
function sameId(one: string, other: string): boolean {
  return one.replace(/^sha256:/, '') === other.replace(/^sha256:/, '');
}
