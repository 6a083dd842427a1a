import { ConfigError } from '../config';
import { createLogger } from '../log';
import { runAgent } from './run-agent';
import { loadAgentConfig, type AgentConfig } from './settings';

/** How long the containers' engine may take for what is under way; then the next start finishes it. */
const STOP_LIMIT_MS = 20_000;

let config: AgentConfig;
try {
  config = loadAgentConfig();
} catch (error) {
  explain(error);
}
const log = createLogger({ level: config.LOG_LEVEL, component: 'agent' });
let agent: ReturnType<typeof runAgent>;
try {
  agent = runAgent(config, log);
} catch (error) {
  explain(error);
}

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // A second signal does not wait: what is left half done is finished by the next start.
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'stopping');
    const limit = setTimeout(() => process.exit(1), STOP_LIMIT_MS);
    void agent.stop().then(() => {
      clearTimeout(limit);
      process.exit(0);
    });
  });

/** What whoever starts the agent can mend is told in a sentence, without a stack. */
function explain(error: unknown): never {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
