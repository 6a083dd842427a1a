import {
  setCurrentDetails,
  setDefaultSignalHandler,
  setHandler,
  upsertSearchAttributes,
  type SignalDefinition,
} from '@temporalio/workflow';
import type { DeviceWord } from '../activities/record';
import { commandDescriptions, commandEffect, type Command, type CommandEffect } from '../domain/commands';
import { isFinal, type RolloutStatus } from '../domain/rollout-states';
import { detailsOf } from './details';
import {
  advanceSignal,
  approveSignal,
  cancelSignal,
  excludeSignal,
  healthSignal,
  pauseSignal,
  rejectSignal,
  resumeSignal,
  retrySignal,
  rollbackSignal,
  searchAttributes,
  statusQuery,
  supersedeSignal,
  type CommandPayload,
} from './messages';
import { statusOf, viewOf, type RolloutState, type Stop } from './state';

const signals: Readonly<Record<Command, SignalDefinition<[CommandPayload?]>>> = {
  pause: pauseSignal,
  resume: resumeSignal,
  cancel: cancelSignal,
  rollback: rollbackSignal,
  approve: approveSignal,
  reject: rejectSignal,
  advance: advanceSignal,
  retry: retrySignal,
  exclude: excludeSignal,
};

/** Enough for a person to see what was just said; the events hold everything. */
const REMARKS_SHOWN = 5;
const NAMED_SHOWN = 20;

export interface Control {
  /** Shows the state everywhere it is shown: current details, search attribute. */
  show(): void;
  /** Adds an event to what is to be recorded. */
  note(
    type: string,
    fields?: { actor?: string; reason?: string | null; batch?: number | null; data?: Record<string, unknown> },
  ): void;
  /** Shows a line to operators, with the time. */
  remark(text: string): void;
  /** Device words that came as signals, to be recorded by an activity. */
  words: DeviceWord[];
}

/**
 * Wires every signal and query, before anything is awaited. Handlers only change the state and never throw: a plain error in
 * a handler would block the workflow for ever. A command that does not apply, and a signal nobody knows, is shown and noted.
 */
export function listen(state: RolloutState): Control {
  let shown: RolloutStatus | null = null;
  const words: DeviceWord[] = [];

  const control: Control = {
    words,
    remark(text) {
      const time = new Date(Date.now()).toISOString().slice(11, 19);
      state.remarks = [...state.remarks, `${time} ${text}`].slice(-REMARKS_SHOWN);
    },
    show() {
      const status = statusOf(state);
      if (status !== shown) upsertSearchAttributes([{ key: searchAttributes.status, value: status }]);
      shown = status;
      setCurrentDetails(detailsOf(state));
    },
    note(type, fields = {}) {
      const { actor = 'fleetwave', reason = null, batch = state.batch, data = {} } = fields;
      state.unrecorded.push({ type, actor, reason, batch, data });
    },
  };

  function command(name: Command, payload: CommandPayload | undefined): void {
    const order = readOrder(payload);
    const { actor, reason } = order;
    const effect = effectOf(name, order, state);
    if (effect.applies && name === 'pause') state.pausedBecause = reason;
    if (effect.applies) obey(state, name, order);
    const said = effect.applies ? effect.effect : `changes nothing: ${effect.why}`;
    control.remark(`${name} (${actor}): ${said}`);
    control.note(`command.${name}`, {
      actor,
      reason,
      data: { applied: effect.applies, effect: said, ...namedIn(order) },
    });
    control.show();
  }

  for (const name of Object.keys(signals) as Command[]) {
    setHandler(signals[name], (payload) => command(name, payload), { description: commandDescriptions[name] });
  }
  setHandler(
    healthSignal,
    (payload) => {
      state.look = true;
      const word = deviceWord(payload);
      if (word !== null) words.push(word);
    },
    {
      description:
        'Look at the health of the batch now; with {"device": "<uuid>", "status": "healthy"} also record a device\'s own word.',
    },
  );
  setHandler(
    supersedeSignal,
    (payload) => {
      if (state.stop !== null || state.phase === 'rolling_back') return;
      // Nothing is newer than itself: it would end with nobody to follow.
      if (payload?.rolloutId === state.input.rolloutId) return;
      state.stop = {
        kind: 'supersede',
        reason: `a newer push of the same tag took over (${payload?.rolloutId ?? 'unknown rollout'})`,
        actor: 'fleetwave',
      };
    },
    { description: 'Sent by Fleetwave when a newer push of the same tag was accepted.' },
  );
  setHandler(statusQuery, () => viewOf(state), {
    description: 'What the rollout waits for, since and until when, and what can be done.',
  });
  // Last: setting it drains the buffer of early signals, and those with a handler of their own must not fall in here.
  setDefaultSignalHandler((name) => {
    control.remark(`unknown signal "${name.slice(0, 100)}" changes nothing; ${suggestionFor(name)}`);
    control.note('command.unknown', { actor: 'temporal', data: { signal: name.slice(0, 100) } });
    control.show();
  });
  return control;
}

/** Whom the command named: the first few, an event is for people. */
function namedIn({ devices }: Order): { devices?: string[]; devices_named?: number } {
  return devices.length === 0 ? {} : { devices: devices.slice(0, NAMED_SHOWN), devices_named: devices.length };
}

/** Signal names are case-sensitive, which a person who types one does not know. */
function suggestionFor(name: string): string {
  const meant = Object.keys(signals).find((known) => known === name.trim().toLowerCase());
  return meant === undefined ? `it can be told: ${Object.keys(signals).join(', ')}` : `did you mean "${meant}"?`;
}

/** Between the word that stops a rollout and its ending its state is what it was: what a command still can do then. */
const whileStopping: Readonly<Record<Stop['kind'], { wins: readonly Command[]; why: string }>> = {
  cancel: { wins: [], why: 'it is being cancelled already' },
  rollback: { wins: ['cancel'], why: 'it is about to be rolled back' },
  supersede: { wins: ['cancel', 'rollback'], why: 'it is giving way to a newer rollout' },
};

/**
 * The table's cell, unless it is just being stopped; but after the end a signal does nothing any more, and `exclude` says
 * nothing without a list of devices.
 */
function effectOf(name: Command, order: Order, state: RolloutState): CommandEffect {
  const status = statusOf(state);
  if (isFinal(status)) {
    const remedy = name === 'rollback' ? '; `fleetwave rollback` and the API put an ended rollout back' : '';
    return { applies: false, why: `the rollout has ended (${status})${remedy}` };
  }
  const effect = commandEffect(name, status);
  if (!effect.applies) return effect;
  const stopping = state.stop === null ? null : whileStopping[state.stop.kind];
  if (stopping !== null && !stopping.wins.includes(name)) return { applies: false, why: stopping.why };
  if (name !== 'exclude' || order.devices.length > 0) return effect;
  return { applies: false, why: 'say which devices, as {"devices": ["<uuid>"]}' };
}

function obey(state: RolloutState, name: Command, order: Order): void {
  const { actor, devices } = order;
  const reason = order.reason ?? `${name} by ${actor}`;
  switch (name) {
    case 'pause':
      state.paused = true;
      state.pausedAt = Date.now();
      break;
    case 'resume':
      state.paused = false;
      // Windows and freezes went on meanwhile: what was waited for may have come.
      state.look = true;
      break;
    case 'approve':
      state.approved = true;
      break;
    case 'advance':
      state.advance = true;
      if (order.all) state.mergeFor = actor;
      break;
    case 'retry':
      state.chores.push({ kind: 'retry', reason, actor });
      break;
    case 'exclude':
      state.chores.push({ kind: 'exclude', devices, reason, actor });
      break;
    case 'cancel':
      state.stop = { kind: 'cancel', reason, actor };
      break;
    case 'reject':
      state.stop = { kind: 'cancel', reason: `approval refused: ${reason}`, actor };
      break;
    case 'rollback':
      state.stop = { kind: 'rollback', reason, actor };
      break;
  }
}

const DEVICE_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const deviceWords = new Set<unknown>(['healthy', 'unhealthy', 'failed', 'rejected', 'updating']);

/** Only what the database can take: an activity given anything else would be tried again for ever. */
function deviceWord(payload: unknown): DeviceWord | null {
  const { device, status, message, check } = (typeof payload === 'object' && payload !== null ? payload : {}) as Record<
    string,
    unknown
  >;
  if (typeof device !== 'string' || !DEVICE_UUID.test(device) || !deviceWords.has(status)) return null;
  return {
    device,
    status: status as DeviceWord['status'],
    message: typeof message === 'string' ? message.slice(0, 500) : null,
    ...(typeof check === 'string' ? { check: check.slice(0, 64) } : {}),
  };
}

interface Order {
  actor: string;
  reason: string | null;
  all: boolean;
  devices: string[];
}

/** More at once would make the payload, and what is shown of it, too large. */
const MOST_DEVICES = 500;

/** The input box of the Temporal UI takes any JSON: whatever is there, an order that can be worked with comes out. */
function readOrder(payload: unknown): Order {
  const given = typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>) : {};
  const text = (value: unknown): string | null =>
    typeof value === 'string' && value !== '' ? value.slice(0, 500) : null;
  const devices = Array.isArray(given['devices']) ? (given['devices'] as unknown[]) : [];
  return {
    actor: text(given['actor']) ?? 'temporal',
    reason: text(given['reason']),
    all: given['to'] === 'all',
    devices: devices
      .filter((device): device is string => typeof device === 'string' && DEVICE_UUID.test(device))
      .slice(0, MOST_DEVICES),
  };
}
