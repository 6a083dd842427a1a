import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { loadConfig } from '../config';
import { withBuildLock } from './build-lock';
import { cacheDirectory } from './cache';
import { findOnPath } from './find-on-path';
import type { Progress } from './progress';
import { downloadWithSdk } from './sdk-download';

const TOOLS = resolve(__dirname, '..', '..', 'tools', 'test-server');
const PROJECT = join(TOOLS, 'pom.xml');
/** Mends a fault of the server, see there. */
const OWN_CLASS = join(TOOLS, 'src', 'io', 'temporal', 'internal', 'testservice', 'CommandVerifier.java');
/** The version in `tools/test-server/pom.xml` and of our class, part of the cache's path so that a new one is fetched. */
const VERSION = '1.31.0-2';
const COPY_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
const REPORT_EVERY_MS = 3000;

export interface FindTestServerOptions {
  searchPath: string;
  cache: string;
}

/**
 * Temporal's time-skipping test server as a program for `TestWorkflowEnvironment.createTimeSkipping`: as fetched earlier, else
 * from Maven, where it is a Java program behind a launcher script and has the mended class, else the SDK's download.
 */
export async function findTestServer(
  progress: Progress,
  options: FindTestServerOptions = defaultOptions(),
): Promise<string> {
  const launcher = join(options.cache, `test-server-${VERSION}`, 'temporal-test-server');
  if (existsSync(launcher)) return launcher;
  const tools = findTools(options.searchPath);
  if (tools.missing === undefined) return fetchWithMaven(launcher, tools, progress);
  const downloaded = await downloadWithSdk('time-skipping', join(options.cache, 'downloads'), progress);
  if (downloaded !== undefined) return downloaded;
  throw new Error(
    `Temporal's time-skipping test server was not found: ${tools.missing} is not installed and temporal.download cannot be reached. ` +
      'Install Java 17 and Maven (Debian: apt-get install default-jdk-headless maven), or allow access to temporal.download.',
  );
}

interface Tools {
  maven: string;
  java: string;
  compiler: string;
  missing?: undefined;
}

function findTools(searchPath: string): Tools | { missing: string } {
  const maven = findOnPath('mvn', searchPath);
  const java = findOnPath('java', searchPath);
  const compiler = findOnPath('javac', searchPath);
  if (maven === undefined) return { missing: 'Maven' };
  if (java === undefined) return { missing: 'Java' };
  return compiler === undefined ? { missing: "Java's compiler" } : { maven, java, compiler };
}

function defaultOptions(): FindTestServerOptions {
  return { searchPath: loadConfig().PATH ?? '', cache: cacheDirectory() };
}

/** The jars are fetched under a temporary name and the launcher is written last, so an aborted fetch is simply repeated. */
async function fetchWithMaven(launcher: string, { maven, java, compiler }: Tools, progress: Progress): Promise<string> {
  mkdirSync(dirname(launcher), { recursive: true });
  return withBuildLock(join(dirname(launcher), 'build.lock'), progress, async () => {
    if (existsSync(launcher)) return launcher;
    const jars = join(dirname(launcher), 'jars');
    const temporary = `${jars}.fetching-${process.pid}`;
    progress.note("fetching Temporal's test server with Maven, once");
    try {
      await runTool(
        maven,
        ['-B', '-f', PROJECT, COPY_GOAL, `-DoutputDirectory=${temporary}`, '-DincludeScope=runtime'],
        progress,
      );
      // Before the server's own class of that name, which stands in a jar.
      const classes = join(temporary, 'classes');
      await runTool(compiler, ['-d', classes, '-cp', join(temporary, '*'), OWN_CLASS], progress);
      rmSync(jars, { recursive: true, force: true });
      renameSync(temporary, jars);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
    writeLauncher(launcher, java);
    return launcher;
  });
}

/** `exec`, so that the signal which ends the launcher ends Java. A small heap and one compiler tier start it faster. */
function writeLauncher(launcher: string, java: string): void {
  const script = [
    '#!/bin/sh',
    `exec '${java}' -Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$(dirname "$0")/jars/classes:$(dirname "$0")/jars/*" io.temporal.testserver.TestServer "$@"`,
  ];
  const temporary = `${launcher}.${process.pid}`;
  writeFileSync(temporary, `${script.join('\n')}\n`);
  chmodSync(temporary, 0o755);
  renameSync(temporary, launcher);
}

async function runTool(program: string, args: readonly string[], progress: Progress): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const startedAt = performance.now();
  let output = '';
  let downloads = 0;
  const read = (chunk: Buffer) => {
    const text = chunk.toString('utf8');
    downloads += text.split('Downloaded from').length - 1;
    output = (output + text).slice(-4000);
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const report = setInterval(() => {
    progress.note(`${Math.round((performance.now() - startedAt) / 1000)} s: ${downloads} files fetched`);
  }, REPORT_EVERY_MS);
  try {
    await new Promise<void>((done, fail) => {
      child.once('error', fail);
      child.once('close', (code) => {
        if (code === 0) done();
        else fail(new Error(`${program} ended with code ${code}:\n${output}`));
      });
    });
  } finally {
    clearInterval(report);
  }
}
