// The pages in a real Chromium: every page and flow, phone and desktop, light and dark, with and without scripts.
//
//   WATCHBELL=path/to/watchbell node tests/run.mjs [--shots DIR] [--only NAME]
//
// Starts the demo's server, unless WATCHBELL_URL names one that runs. Says what is skipped where there is no Chromium;
// with WATCHBELL_REQUIRE_PEERS=1 that fails.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cases } from './cases.mjs';

const argument = (name) => { const at = process.argv.indexOf(name); return at < 0 ? undefined : process.argv[at + 1]; };
const shots = argument('--shots') ?? '../target/pages';
const only = argument('--only');

const browsers = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = browsers.find((path) => path && existsSync(path));
if (!executablePath) {
  console.log('skipped: no Chromium here (CHROMIUM names none)');
  process.exit(process.env.WATCHBELL_REQUIRE_PEERS === '1' ? 1 : 0);
}
const { chromium } = await import('playwright-core');
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/// A port that is free now.
const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => done(port)); });
});

/// The demo's server, once it serves.
async function demo() {
  if (process.env.WATCHBELL_URL) return { url: process.env.WATCHBELL_URL, stop() {} };
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.env.WATCHBELL ?? '../target/debug/watchbell', ['demo', '--serve', `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
  const ended = new Promise((_, fail) => child.on('exit', (code) => fail(new Error(`the demo ended: ${code}`))));
  ended.catch(() => {});
  const ready = async () => {
    for (;;) {
      if (await fetch(`${url}/-/ready`).then((a) => a.ok, () => false)) return;
      await new Promise((next) => setTimeout(next, 250));
    }
  };
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error('the demo was not ready in five minutes')), 300_000).unref());
  await Promise.race([ready(), ended, late]).catch((e) => { child.kill(); throw e; });
  return { url, stop: () => child.kill() };
}

await mkdir(shots, { recursive: true });
const server = await demo();
let browser;
let failed = 0;
try {
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  for (const [name, check] of Object.entries(cases).filter(([name]) => !only || name.includes(only))) {
    const begun = performance.now();
    try {
      await check({ browser, url: server.url, shots, axe });
      console.log(`ok    ${name} (${Math.round(performance.now() - begun)} ms)`);
    } catch (e) {
      failed += 1;
      console.error(`FAIL  ${name}: ${e.stack ?? e}`);
    }
  }
} finally {
  await browser?.close();
  server.stop();
}
process.exit(failed ? 1 : 0);
