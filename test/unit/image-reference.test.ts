import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  familiarName,
  isValidDigest,
  isValidTag,
  normalizedImage,
  parseImageReference,
  withTag,
} from '../../src/domain/image-reference';
import { hex64, imageReferenceVectors } from '../support/image-reference-vectors';

const validVectors = imageReferenceVectors.filter((vector) => vector.valid);
const digest = `sha256:${hex64}`;

describe('an image reference', () => {
  it('has vectors of both kinds, each input once', () => {
    expect(validVectors.length).toBeGreaterThan(90);
    expect(imageReferenceVectors.length - validVectors.length).toBeGreaterThan(90);
    expect(new Set(imageReferenceVectors.map((vector) => vector.input)).size).toBe(imageReferenceVectors.length);
  });

  it.each(imageReferenceVectors.map((vector) => [JSON.stringify(vector.input).slice(0, 80), vector] as const))(
    'is read by the grammar: %s',
    (_, vector) => {
      const parsed = parseImageReference(vector.input);
      if (!vector.valid) {
        expect(parsed).toEqual({ ok: false, error: expect.stringMatching(/^[ -~]{10,400}$/) });
        return;
      }
      if (!parsed.ok) throw new Error(parsed.error);
      const { registry, repository, tag = null, digest: wanted = null } = vector;
      expect(parsed.reference).toMatchObject({
        registry,
        repository,
        image: `${registry}/${repository}`,
        tag,
        digest: wanted,
      });
      const { name } = parsed.reference;
      expect(`${name}${tag === null ? '' : `:${tag}`}${wanted === null ? '' : `@${wanted}`}`).toBe(vector.input);
    },
  );

  it('says what is wrong and where', () => {
    const errors = [
      'acme/api:',
      'ghcr.io/acme/App',
      'my_host.example.com/api',
      'redis:1+2',
      'redis@sha256:abc',
      'ghcr.io//app',
      '',
      hex64,
      'a'.repeat(513),
    ].map((text) => {
      const parsed = parseImageReference(text);
      return parsed.ok ? null : parsed.error;
    });
    expect(errors).toEqual([
      'the tag after ":" at character 10 is empty',
      'the repository part "App" at character 14 must be lower case',
      'the registry "my_host.example.com" before the first "/" is not a host name with an optional port',
      'the tag "1+2" at character 7 must be letters, digits, "_", "." and "-", and not begin with "." or "-"',
      'the digest "sha256:abc" at character 7 must be sha256, sha384 or sha512, ":" and 64, 96 or 128 lower-case hexadecimal characters',
      'the repository has an empty part at character 9',
      'the reference is empty',
      '64 hexadecimal characters are an image identifier, which names no repository',
      'the reference is 513 characters long, at most 512 are allowed',
    ]);
  });

  it('is the same image in every way of writing it, and another where only the text is alike', () => {
    const ways = [
      'redis',
      'redis:7',
      'library/redis:7',
      'docker.io/redis',
      'index.docker.io/library/redis',
      `docker.io/library/redis@${digest}`,
    ];
    expect(new Set(ways.map(normalizedImage))).toEqual(new Set(['docker.io/library/redis']));
    expect(normalizedImage('redis-stack')).toBe('docker.io/library/redis-stack');
    expect(normalizedImage('redis:')).toBeNull();
  });

  it('keeps its name as written when its tag is replaced', () => {
    expect(withTag('redis', '7.5', null)).toBe('redis:7.5');
    expect(withTag('library/redis:7', '7.5', null)).toBe('library/redis:7.5');
    expect(withTag(`index.docker.io/redis:7@${digest}`, '7.5', null)).toBe('index.docker.io/redis:7.5');
    expect(withTag('localhost:5000/app', '2', digest)).toBe(`localhost:5000/app:2@${digest}`);
    expect(() => withTag('redis:', '7', null)).toThrow('is empty');
    expect(() => withTag('redis', ':7', null)).toThrow('the tag');
    expect(() => withTag('redis', '7', 'sha256:0')).toThrow('the digest');
  });

  it('names the image, tag and digest it was given', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...validVectors),
        fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
        fc.boolean(),
        ({ input }, tag, pinned) => {
          const before = parseImageReference(input);
          const after = parseImageReference(withTag(input, tag, pinned ? digest : null));
          // Only a reference near the length limit may no longer be one.
          if (!after.ok) return withTag(input, tag, pinned ? digest : null).length > 512;
          return (
            before.ok &&
            after.reference.image === before.reference.image &&
            after.reference.name === before.reference.name &&
            after.reference.tag === tag
          );
        },
      ),
    );
  });

  it('is shortened to the name people write, which is still the same image', () => {
    expect(familiarName('docker.io/library/redis')).toBe('redis');
    expect(familiarName('docker.io/acme/app')).toBe('acme/app');
    expect(familiarName('registry.acme.io:5000/app')).toBe('registry.acme.io:5000/app');
    expect(familiarName('docker.io/library/a/b')).toBe('library/a/b');
    expect(familiarName('docker.io/localhost/app')).toBe('docker.io/localhost/app');
    for (const { input } of validVectors) {
      const image = normalizedImage(input);
      if (image !== null) expect(normalizedImage(familiarName(image))).toBe(image);
    }
  });

  it('is read in linear time, whatever a stranger sends', () => {
    const started = performance.now();
    for (const text of [
      'a-'.repeat(256),
      `${'a.'.repeat(250)}/`,
      `a/${'b__'.repeat(160)}!`,
      `[${':'.repeat(500)}`,
      '-'.repeat(1_000_000),
    ]) {
      for (let time = 0; time < 100; time += 1) expect(parseImageReference(text).ok).toBe(false);
    }
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it('has tags and digests that can be checked alone', () => {
    expect(['7', '_', 'a'.repeat(128)].map(isValidTag)).toEqual([true, true, true]);
    expect(['', '.7', '7:8', '7\n', 'a'.repeat(129)].map(isValidTag)).toEqual([false, false, false, false, false]);
    expect([digest, `${digest}0`, digest.toUpperCase(), `${digest}\n`, hex64].map(isValidDigest)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
