import { processTerminal } from '../cli/terminal';

/** `npm run demo`. Ctrl-C stops everything it started; a second one says so again, because leaving servers behind is worse. */
async function main(): Promise<number> {
  const terminal = processTerminal();
  terminal.write(
    `${terminal.colors.bold('Fleetwave: a good and a bad release go to a fleet.')} Takes about a minute; Ctrl-C ends it cleanly.\n`,
  );
  const abort = new AbortController();
  const onSignal = (): void => {
    terminal.say('\nStopping the servers, a moment ...\n');
    abort.abort(new Error('stopped on request'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);
  // Loaded only now: the servers' clients take a moment to load, and a silent terminal looks stuck.
  const { runDemo } = await import('./demo.js');
  try {
    await runDemo({ terminal, signal: abort.signal });
    return 0;
  } catch (error) {
    if (abort.signal.aborted) return 130;
    terminal.say(
      `\n${terminal.colors.red('The demo failed:')} ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return 1;
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  },
);
