// Builds what the pages load from src/ into dist/, which is committed and embedded in the binary. With --check nothing is
// written: it fails when dist/ is not what src/ and the lock file build.
import { readFile, readdir, writeFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const check = process.argv.includes('--check');

const { outputFiles, metafile } = await build({
  absWorkingDir: here,
  entryPoints: ['src/pages.css', 'src/live.js', 'src/silence.js', 'src/query.js'],
  outdir: 'dist',
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['es2022', 'chrome109', 'firefox115', 'safari16.4'],
  legalComments: 'none',
  write: false,
  metafile: true,
});

/// The licences of what is in the bundles, with the texts they ask to be handed on.
async function licences() {
  const inside = Object.keys(metafile.inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  const texts = [...new Set(inside.filter(Boolean))].sort().map(async (name) => {
    const folder = `${here}node_modules/${name}`;
    const { version, license } = JSON.parse(await readFile(`${folder}/package.json`));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version} (${license})\n\n${file ? (await readFile(`${folder}/${file}`, 'utf8')).trim() : ''}\n`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`);
}
outputFiles.push({ path: `${here}dist/LICENSES.txt`, contents: Buffer.from(await licences()) });

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
