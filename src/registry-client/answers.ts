/** Why nothing is known; `why` beside it is for people. */
export type UnknownReason =
  /** The image's registry is none of those that may be asked. */
  | 'not_configured'
  /** Its settings cannot be used, as when its credentials were encrypted with another key. */
  | 'unusable'
  /** No answer: network, name, certificate, time. */
  | 'unreachable'
  /** 401 or 403: wrong credentials, or none. */
  | 'refused'
  /** Too many requests, by its count or by ours. */
  | 'limited'
  /** A server's failure, 5xx. */
  | 'failing'
  /** An answer that is none of the protocol, or that its storage elsewhere does not give. */
  | 'unclear'
  /** It wanted a request or credentials where they must not go, or its bytes are not those of the digest. */
  | 'untrusted';

/** Never to be taken for "there is no update". */
export interface Unknown {
  kind: 'unknown';
  reason: UnknownReason;
  why: string;
  retryAfterSeconds?: number;
}

/** The registry said itself that it has no such tag, or no such repository. */
export interface Absent {
  kind: 'absent';
}

export interface FoundTag {
  kind: 'found';
  /** Of the index where there is one, as devices and events name it. */
  digest: string;
  mediaType: string;
  /**
   * `linux/arm64/v8`, as the image says it. Empty for what is no image (a chart, a signature); null where it could not be
   * learned, or was not asked for.
   */
  platforms: string[] | null;
  /** Why they could not be learned. */
  platformsUnknown?: string;
  /** Of a single manifest, its configuration and layers. */
  sizeBytes?: number;
}
export type TagAnswer = FoundTag | Absent | Unknown;

export interface FoundTags {
  kind: 'found';
  tags: string[];
  /** False where there are more than are read: a tag that is not among these may be there all the same. */
  complete: boolean;
}
export type TagsAnswer = FoundTags | Absent | Unknown;

/** Thrown inside the client; what comes out of it is an `Unknown`. Never holds a credential, a query or a body. */
export class RegistryTrouble extends Error {
  override readonly name = 'RegistryTrouble';
  readonly reason: UnknownReason;
  readonly retryAfterSeconds: number | undefined;

  constructor(reason: UnknownReason, why: string, retryAfterSeconds?: number) {
    super(why);
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export function unknown({ reason, message, retryAfterSeconds }: RegistryTrouble): Unknown {
  return { kind: 'unknown', reason, why: message, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) };
}
