// Builds what the pages load from src/ into dist/, which is committed and embedded in the binary. With --check nothing is
// written: it fails when dist/ is not what src/ and the lock file build.
import { readFile, writeFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const check = process.argv.includes('--check');

const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ['src/pages.css', 'src/live.js', 'src/silence.js', 'src/query.js'],
  outdir: 'dist',
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['es2022', 'chrome109', 'firefox115', 'safari16.4'],
  legalComments: 'none',
  write: false,
});

await mkdir(`${here}dist`, { recursive: true });
let stale = 0;
for (const { path, contents } of outputFiles) {
  if (!check) {
    await writeFile(path, contents);
  } else if (!(await readFile(path).catch(() => Buffer.alloc(0))).equals(Buffer.from(contents))) {
    console.error(`${path.slice(here.length)} is not what ui/ builds: run npm run build in ui/`);
    stale += 1;
  }
}
process.exit(stale === 0 ? 0 : 1);
