// Keeps a page up to date: the server says when there is news, the page then asks for itself and puts the new content in.
const root = document.body.dataset.up;
const sign = document.getElementById('live');

// Links that Alertmanager's own pages and messages use: everything stands behind the #.
const [, path, query] = /^#\/([^?]*)\??(.*)$/.exec(location.hash) ?? [];
if (path !== undefined) {
  const [page, id, verb] = path.split('/');
  const to = page === 'silences' ? ['silences', id, verb].filter(Boolean).join('/') : page === 'status' ? 'status' : 'alerts';
  location.replace(`${root}${to}${query ? `?${query}` : ''}`);
}

// The server's zone, or UTC on demand; remembered.
const clock = document.getElementById('clock');
const zone = clock.nextElementSibling;
const names = { local: zone.textContent };
const utc = () => localStorage.getItem('watchbell-utc') === 'yes';
const shorten = (iso) => iso.replace(/\.\d+/, '').replace('T', ' ').replace('Z', '');
function zones() {
  for (const time of document.querySelectorAll('time')) {
    time.dataset.local ??= time.textContent;
    time.textContent = utc() ? shorten(time.dateTime) : time.dataset.local;
  }
  button.textContent = utc() ? 'UTC' : names.local;
}
const button = document.createElement('button');
button.type = 'button';
button.title = 'Server’s zone or UTC';
button.onclick = () => { localStorage.setItem('watchbell-utc', utc() ? 'no' : 'yes'); zones(); };
zone.replaceWith(button);
zones();

// Whoever writes, has written, or selects is not disturbed.
const written = (field) => {
  if (field.type === 'hidden') return false;
  if (!field.options) return field.value !== field.defaultValue;
  return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
};
const busy = () => {
  const at = document.activeElement;
  const isWriting = at?.closest('main') && at.matches('input, select, textarea');
  return isWriting || String(getSelection()) !== '' || [...document.querySelectorAll('main :is(input, select, textarea)')].some(written);
};
const key = (element) => element.id || element.closest('[aria-label]')?.getAttribute('aria-label');

let asking = false;
let again = false;
async function refresh() {
  // What comes while it is asked is asked for afterwards.
  if (asking || busy()) { again = true; return; }
  [asking, again] = [true, false];
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const open = new Set([...document.querySelectorAll('main details[open]')].map(key));
    const focused = document.activeElement?.closest('main a, main summary');
    const place = focused && [...document.querySelectorAll('main a, main summary')].indexOf(focused);
    document.getElementById('main').replaceChildren(...fresh.getElementById('main').childNodes);
    for (const details of document.querySelectorAll('main details')) if (open.has(key(details))) details.open = true;
    if (focused) document.querySelectorAll('main a, main summary')[place]?.focus({ preventScroll: true });
    document.title = fresh.title;
    const now = fresh.getElementById('clock');
    [clock.dateTime, clock.title, clock.dataset.local] = [now.dateTime, now.title, now.textContent];
    zones();
    document.dispatchEvent(new Event('refreshed'));
  } catch {
    // Who is connected again is told, and asks then.
    again = false;
    show(false);
  }
  asking = false;
  if (again && !busy()) refresh();
}
// Not at once: a click that leaves a field is to reach what it is for.
addEventListener('focusout', () => { if (again) setTimeout(() => again && refresh(), 500); });
document.addEventListener('selectionchange', () => { if (again && !busy()) refresh(); });

function show(on) {
  sign.className = on ? 'on' : 'off';
  sign.title = on ? 'This page is live' : 'Not connected: what is shown may be old';
  sign.setAttribute('aria-label', sign.title);
}

// While nobody looks nothing is asked; who comes back sees what is true then.
let source;
function follow() {
  source?.close();
  if (document.hidden) return;
  source = new EventSource(`${root}live`);
  source.addEventListener('hello', () => { show(true); refresh(); });
  source.addEventListener('news', refresh);
  source.onerror = () => show(false);
}
if ('live' in document.body.dataset) {
  document.addEventListener('visibilitychange', follow);
  addEventListener('pagehide', () => source?.close());
  follow();
}
