/**
 * Loaded before the API and the worker in a soak (`node --require`), in each of their threads: keeps telling, in a file of
 * the thread's own, what only the process itself knows. Every tenth time it collects all garbage first, so that what is left
 * is what is held; a heap between two collections says nothing about leaks.
 */
const { renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const v8 = require('node:v8');
const { runInNewContext } = require('node:vm');
const { threadId } = require('node:worker_threads');

const EVERY_MS = 12_000;
const COLLECT_EVERY = 10;
const directory = process.env.FLEETWAVE_SOAK_PROBES;
v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
let turn = 0;
let heldBytes = null;

function tell() {
  if (turn % COLLECT_EVERY === 0) {
    collect();
    heldBytes = process.memoryUsage().heapUsed;
  }
  turn += 1;
  const { heapUsed, external } = process.memoryUsage();
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const file = join(directory, `${process.pid}-${threadId}.json`);
  // Renamed, because it is read at any moment.
  writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, external, heldBytes, resources }));
  renameSync(`${file}.new`, file);
}

setInterval(tell, EVERY_MS).unref();
