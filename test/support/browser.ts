import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { findOnPath } from '../../src/dev/find-on-path';

/**
 * For a machine without a display, possibly as root in a container, and for a browser that talks to nobody but the pages
 * under test.
 */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page of the Temporal UI takes 1 to 4 s on two idle cores, and several times that beside other tests. */
const PATIENCE_MS = 90_000;

export interface TestBrowser {
  page: Page;
  /** Keeps a picture of the page in `test-output/<folder>`, numbered in the order of the story. */
  photograph(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens a real browser with one page; the pictures of an earlier run in the folder are removed. */
export async function openBrowser(folder: string): Promise<TestBrowser> {
  const executablePath = chromiumPath();
  const output = resolve(__dirname, '..', '..', 'test-output', folder);
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  const browser: Browser = await chromium.launch({ executablePath, args: FLAGS });
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, timezoneId: 'UTC', locale: 'en-US' });
  page.setDefaultTimeout(PATIENCE_MS);
  let taken = 0;
  return {
    page,
    async photograph(name) {
      taken += 1;
      await page.screenshot({ path: join(output, `${String(taken).padStart(2, '0')}-${name}.png`) });
    },
    close: () => browser.close(),
  };
}

function chromiumPath(): string {
  const given = process.env['FLEETWAVE_CHROMIUM'] ?? '';
  const found = given === '' ? findOnPath('chromium', process.env['PATH'] ?? '') : given;
  if (found === undefined) {
    throw new Error(
      'No browser was found. Run `apt-get install chromium`, or set FLEETWAVE_CHROMIUM to the path of one.',
    );
  }
  return found;
}
