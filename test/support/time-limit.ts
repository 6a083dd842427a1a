import { jest } from '@jest/globals';

/** Set per project in jest.config.js. */
declare const testTimeoutMs: number;

jest.setTimeout(testTimeoutMs);
