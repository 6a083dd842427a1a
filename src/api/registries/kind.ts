import type { z } from 'zod';
import type { Outside } from '../verification/outside';
import type { Answer } from '../route';
import type { ParsedDelivery } from './push';

export type { Answer } from '../route';

/** What came, untouched: signatures are over `raw`. */
export interface Delivery {
  method: DeliveryMethod | HandshakeMethod;
  raw: Buffer;
  /** Lower case, without parameters; empty when the sender gave none. */
  contentType: string;
  /** One header's value, by its name in any case, or null. */
  header(name: string): string | null;
  /** One query parameter's value; null where there is none or more than one. */
  query(name: string): string | null;
}

export type DeliveryMethod = 'POST' | 'PUT';
/** Methods without a body, with which some senders ask whether they may send. */
export type HandshakeMethod = 'GET' | 'HEAD' | 'OPTIONS';

/** A configured sender, with what is needed to check and to read its deliveries. */
export interface Source<Options = unknown> {
  name: string;
  kind: string;
  /** The current one first, then the one that is being rotated out. At least one, unless the kind proves itself otherwise. */
  secrets: readonly string[];
  /** Where images of this sender are pulled from, if an operator said so: it goes before any host that an event names. */
  registryHost: string | null;
  /** By the sender's own name of a group of repositories, the host (and path) it is pulled under. */
  repositories: Readonly<Record<string, string>>;
  options: Options;
}

/** `why` is for the log alone: whoever was refused is told nothing. It must hold nothing of what was sent. */
export type Verification = { verified: true } | { verified: false; why: string };

/**
 * One kind of sender: everything that tells it from the others stands in this object. docs/registry-kinds.md shows how to
 * write one.
 */
export interface RegistryKind<Options = unknown> {
  /** As in `PUT /webhook-sources/:name {"kind": ...}`: a wire name, never renamed. */
  name: string;
  title: string;
  /** Lower case; `''` is a delivery without one, `application/*+json` any type with that suffix. Others are answered 415. */
  contentTypes: readonly string[];
  /** A longer body is answered 413. */
  limitBytes: number;
  /** Beside POST, which every kind takes. */
  methods: readonly (Exclude<DeliveryMethod, 'POST'> | HandshakeMethod)[];
  /**
   * `secret`: a delivery proves that it knows a secret of the source; `verify` is called with at least one. `own`: by what the
   * options allow (a certificate, an issuer); there may be no secret.
   */
  proof: 'secret' | 'own';
  /** With `own`: whether these options are enough for it. Where they are not, a secret is needed after all. */
  provesItself?(options: Options): boolean;
  /** How a delivery proves itself, for people: "the secret as ...". */
  proofInWords: string;
  /** For the log, what is expected where it is not the secret alone; null where it is. Names no secret. */
  expects?(source: Source<Options>): string | null;
  /** Strict, and `{}` must pass unless the kind cannot work without. */
  options: z.ZodType<Options>;
  answers: KindAnswers;
  /**
   * For deliveries without event ids: the same body within this time is a repetition, later it is a new push. Null where the
   * body itself holds a time or an id, and so is never the same twice.
   */
  repeatWindowSeconds: number | null;

  /** Over the raw bytes, in constant time. @throws OutsideUnavailable where keys cannot be had now: answered 503. */
  verify(delivery: Delivery, source: Source<Options>, outside: Outside): Verification | Promise<Verification>;
  /** @throws UnreadableDelivery naming the field. */
  read(delivery: Delivery, source: Source<Options>): ParsedDelivery;
  /**
   * What the sender asks before it sends, or null for an ordinary delivery. POST and PUT come here verified; GET, HEAD and
   * OPTIONS do not, and get 405 for null.
   */
  handshake?(delivery: Delivery, source: Source<Options>, outside: Outside): Answer | null | Promise<Answer | null>;
  /** The last word about an acceptance's answer, for senders that read more than its status. */
  answer?(made: Answer, delivery: Delivery, source: Source<Options>): Answer;
}

export interface KindAnswers {
  /** How long the sender waits; null where nobody says. */
  deadlineMs: number | null;
  /**
   * An authenticated body that cannot be read: `refuse` answers 422; `record` stores it with its reason and answers 200, for
   * senders that repeat a refused delivery for days or hold back what comes after it.
   */
  unreadable: 'refuse' | 'record';
  /** When every push waits for approval: 403, or 202 for senders that repeat what is refused. */
  notApproved: 202 | 403;
}

export const MEBIBYTE = 1024 * 1024;

/** JSON under any of its names, or under none. */
export const anyJson: readonly string[] = ['', 'application/json', 'application/*+json'];

export function takesContentType({ contentTypes }: Pick<RegistryKind, 'contentTypes'>, contentType: string): boolean {
  if (contentTypes.includes(contentType)) return true;
  const suffix = /^(application)\/[a-z0-9!#$&^_.-]+\+(json)$/.exec(contentType);
  return suffix !== null && contentTypes.includes('application/*+json');
}
