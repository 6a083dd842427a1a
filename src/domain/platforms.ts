/** The names that images are built for: Go's, as https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md asks. */
const systems = new Set([
  ...['aix', 'android', 'darwin', 'dragonfly', 'freebsd', 'illumos', 'ios', 'js', 'linux', 'netbsd', 'openbsd'],
  ...['plan9', 'solaris', 'wasip1', 'windows', 'zos'],
]);
const architectures = new Set([
  ...['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips', 'mips64', 'mips64le', 'mipsle', 'ppc64', 'ppc64le', 'riscv64'],
  ...['s390x', 'sparc64', 'wasm'],
]);
const VARIANT = /^[a-z0-9][a-z0-9.]{0,15}$/;

/** What an image without a variant is: the same as with this one. */
const usualVariants: Readonly<Record<string, string>> = { arm: 'v7', arm64: 'v8', amd64: 'v1' };

/** What is wrong with a platform such as `linux/arm64` or `linux/arm/v7`, or null: one that no image has would stop every rollout. */
export function platformProblem(text: string): string | null {
  const [system = '', architecture = '', variant, ...rest] = text.split('/');
  if (rest.length > 0 || architecture === '') return 'must be os/architecture or os/architecture/variant: linux/arm64';
  if (!systems.has(system)) return `has an unknown operating system: one of ${[...systems].join(', ')}`;
  if (!architectures.has(architecture)) return `has an unknown architecture: one of ${[...architectures].join(', ')}`;
  if (variant !== undefined && !VARIANT.test(variant)) return 'has a variant that is none: such as v7';
  return null;
}

/** Of the wanted platforms, those that an image is not made for. A wanted platform without a variant is any of its variants. */
export function missingPlatforms(wanted: readonly string[], there: readonly string[]): string[] {
  return wanted.filter((platform) => !there.some((one) => satisfies(one, platform)));
}

function satisfies(there: string, wanted: string): boolean {
  const [system, architecture = '', variant] = there.split('/');
  const [wantedSystem, wantedArchitecture = '', wantedVariant] = wanted.split('/');
  if (system !== wantedSystem || architecture !== wantedArchitecture) return false;
  const usual = usualVariants[architecture];
  return wantedVariant === undefined || (variant ?? usual) === wantedVariant;
}
