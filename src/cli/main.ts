#!/usr/bin/env node
import { version } from '../../package.json';
import { runCommandLine } from './program';
import { processTerminal } from './terminal';

// A reader that has seen enough, as `| head` has, closes the pipe: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

runCommandLine(process.argv.slice(2), { terminal: processTerminal(), input: process.stdin, version }).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `This is a fault of the fleetwave command, please report it:\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = 70;
  },
);
