export interface EngineRefusal {
  message: string;
  missingImage: boolean;
}

const LONGEST = 300;

/**
 * What the engine has against a request. @throws the error itself where the engine did not answer: that says nothing about
 * the service.
 */
export function engineRefusal(error: unknown): EngineRefusal {
  const { statusCode, json } = error as { statusCode?: number; json?: { message?: string; cause?: string } };
  if (statusCode === undefined) throw error;
  const message = json?.message ?? (error instanceof Error ? error.message : String(error));
  return {
    message: message.replace(/\s+/g, ' ').trim().slice(0, LONGEST),
    missingImage: statusCode === 404,
  };
}
