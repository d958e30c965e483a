// The page of queries: each panel asks for itself, and the address always says what is shown.
import { editor } from './editor.js';
import { graph, named } from './graph.js';

const root = document.body.dataset.up;
const form = document.getElementById('panels');
const MUCH = 5e6;
const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

/// Seconds of `1h30m` or of a plain number; NaN for what is neither.
function seconds(text) {
  if (/^[\d.]+$/.test(text)) return Number(text);
  const parts = [...text.matchAll(/(\d+)(ms|[smhdwy])/g)];
  return parts.map((p) => p[0]).join('') === text && parts.length ? parts.reduce((sum, [, n, unit]) => sum + n * UNITS[unit], 0) : NaN;
}
const moment = (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text.replace(' ', 'T')}Z`) / 1000);
const element = (tag, properties, ...children) => { const made = Object.assign(document.createElement(tag), properties); made.append(...children); return made; };

/// The address of what is shown.
function address() {
  const said = [...new FormData(form)].filter(([name, value]) => value && name !== 'add');
  return `query?${new URLSearchParams(said)}`;
}

async function ask(path, parameters, signal) {
  const answer = await fetch(`${root}api/v1/${path}`, { method: 'POST', body: new URLSearchParams(parameters), signal });
  const body = await answer.json().catch(() => ({ error: `${answer.status} ${answer.statusText}` }));
  if (body.status !== 'success') throw new Error(body.error ?? 'no answer');
  return body;
}

function cells(type, result) {
  if (type === 'scalar' || type === 'string') return [[type, result[1]]];
  return result.map(({ metric, value, values, histogram }) => [
    named(metric),
    value ? value[1] : values ? values.slice(-10).map(([t, v]) => `${v} @ ${t}`).join('\n') : histogram ? `count ${histogram[1].count}, sum ${histogram[1].sum}` : '',
  ]);
}

function table({ resultType, result }, label) {
  const rows = cells(resultType, result);
  if (!rows.length) return [element('p', { className: 'quiet', textContent: 'The result is empty.' })];
  const body = element('tbody', {}, ...rows.slice(0, 500).map(([series, value]) => element('tr', {},
    element('td', { dir: 'ltr' }, element('code', { textContent: series })),
    element('td', { className: 'text' }, element('code', { textContent: value })))));
  const head = element('tr', {}, element('th', { scope: 'col' }, 'Series ', element('span', { className: 'quiet', textContent: rows.length })), element('th', { scope: 'col', textContent: 'Value' }));
  const box = element('div', { className: 'scroll', tabIndex: 0, role: 'region', ariaLabel: label }, element('table', {}, element('thead', {}, head), body));
  return rows.length > 500 ? [box, element('p', { className: 'quiet', textContent: `and ${rows.length - 500} more` })] : [box];
}

for (const panel of form.querySelectorAll('.panel')) {
  const i = panel.dataset.i;
  const field = (name) => form.elements[`g${i}.${name}`];
  const [answer, drawing, took] = ['.answer', '.graph', '.took'].map((part) => panel.querySelector(part));
  let under;
  let clear = () => {};

  const fail = (why) => {
    answer.replaceChildren(element('div', { className: 'wrong', role: 'alert', textContent: why }));
    view.complain(why);
  };

  async function run() {
    under?.abort();
    under = new AbortController();
    history.replaceState(null, '', address());
    const query = field('expr').value.trim();
    const isGraph = field('tab').value === 'graph';
    if (field('tab').value === 'explain') return explain(under.signal);
    clear();
    drawing.hidden = !isGraph;
    if (!query) return answer.replaceChildren();
    const until = field('end_input').value.trim();
    const end = until ? moment(until) : Date.now() / 1000;
    const range = seconds(field('range_input').value.trim());
    if (!Number.isFinite(end)) return fail(`${until} is no time: such as 2026-03-29 18:30, in UTC`);
    if (isGraph && !(range > 0)) return fail(`${field('range_input').value} is no range: such as 30m, 6h or 2d`);
    const begun = performance.now();
    took.textContent = '…';
    try {
      const step = isGraph ? seconds(field('step_input').value.trim()) || Math.max(Math.floor(range / 250), 1) : 0;
      const from = Math.ceil((end - range) / (step || 1)) * step;
      const body = isGraph
        ? await ask('query_range', { query, start: from, end, step, stats: 'all' }, under.signal)
        : await ask('query', { query, stats: 'all', ...(until && { time: end }) }, under.signal);
      const samples = body.data.stats?.samples.totalQueryableSamples ?? 0;
      took.textContent = `${Math.round(performance.now() - begun)} ms, ${body.data.result.length} series, ${samples.toLocaleString('en')} samples read`;
      took.classList.toggle('soon', samples > MUCH);
      took.title = samples > MUCH ? 'It reads much: a recording rule or a narrower selector makes it quicker' : '';
      view.complain('');
      const notes = [...(body.warnings ?? []), ...(body.infos ?? [])].map((textContent) => element('p', { className: 'note', textContent }));
      if (!isGraph) return answer.replaceChildren(...notes, ...table(body.data, `Result of panel ${Number(i) + 1}`));
      answer.replaceChildren(...notes);
      clear = graph(drawing, body.data, [from, end, step], zoom);
    } catch (e) {
      took.textContent = '';
      if (e.name !== 'AbortError') fail(e.message);
    }
  }

  // How a query is evaluated the server's own page says.
  async function explain(signal) {
    clear();
    drawing.hidden = true;
    const page = await fetch(address(), { signal }).then((a) => a.text(), () => '');
    const said = new DOMParser().parseFromString(page, 'text/html').querySelector(`.panel[data-i="${i}"] .answer`);
    if (!signal.aborted) answer.replaceChildren(...(said?.childNodes ?? ['no answer']));
    view.complain(answer.querySelector('.wrong')?.textContent ?? '');
  }

  function zoom(from, to) {
    field('range_input').value = `${Math.max(Math.round(to - from), 1)}s`;
    field('end_input').value = new Date(to * 1000).toISOString().replace(/\.\d+Z/, 'Z');
    run();
  }

  const view = editor(panel.querySelector('.editor'), field('expr'), root, run);
  panel.querySelector('.ask button').addEventListener('click', (event) => { event.preventDefault(); run(); });
  for (const radio of field('tab')) radio.addEventListener('change', run);
  for (const name of ['range_input', 'end_input', 'step_input']) {
    field(name).addEventListener('keydown', (event) => { if (event.key === 'Enter') { event.preventDefault(); run(); } });
    field(name).addEventListener('change', run);
  }
  if (field('tab').value === 'graph') run();
  else view.complain(panel.querySelector('.wrong')?.textContent ?? '');
}
