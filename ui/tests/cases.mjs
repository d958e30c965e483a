// What is checked in the browser. Each case has a context of its own; whatever a page logs as an error fails its case.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';

const PAGES = ['alerts', 'silences', 'history', 'notification/8', 'silences/new', 'query?g0.expr=up', 'rules', 'routes', 'receivers', 'targets', 'service-discovery', 'status', 'tsdb-status'];
const LOOKS = {
  desktop: { viewport: { width: 1280, height: 900 } },
  'desktop-dark': { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  'phone-dark': { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' },
};

/// A page in a context of its own; `visit` fails when the page logs an error, asks elsewhere, or breaks its policy.
async function open({ browser, url }, options = {}) {
  const context = await browser.newContext({ ...LOOKS.desktop, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on('console', (m) => { if (m.type() === 'error' && !page.expects?.test(m.text())) wrong.push(m.text()); });
  page.on('pageerror', (e) => wrong.push(String(e)));
  page.on('request', (r) => { if (!r.url().startsWith(url)) wrong.push(`asks elsewhere: ${r.url()}`); });
  page.on('dialog', (d) => { wrong.push(`a dialog: ${d.message()}`); d.dismiss(); });
  page.visit = async (path) => { await page.goto(`${url}/${path}`, { waitUntil: 'load' }); };
  page.end = async () => { await context.close(); assert.deepEqual(wrong, []); };
  return page;
}

const post = async (url, alerts) => {
  const answer = await fetch(`${url}/api/v2/alerts`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(alerts) });
  assert.equal(answer.status, 200);
};
const alert = (name, more = {}, annotations = {}) => ({ labels: { alertname: name, severity: 'warning', ...more }, annotations });

/// What axe-core finds.
async function findings(page, axe) {
  await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
  return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`);
}

export const cases = {
  async 'every page looks right on desktop and phone, light and dark, and axe finds nothing'({ browser, url, shots, axe }) {
    await post(url, [
      alert('حرارة المعالج مرتفعة', { host: 'ساعة-١', severity: 'critical' }, { summary: 'المعالج ساخن جدا منذ عشر دقائق', runbook_url: 'https://runbooks.test/heat' }),
      alert('Evil "quoted" <script>alert(1)</script>', { path: 'a\nb\\c' }, { summary: '<img src=x onerror=alert(1)>', runbook_url: 'javascript:alert(1)' }),
    ]);
    const found = [];
    for (const [look, options] of Object.entries(LOOKS)) {
      // Policy is checked by the other cases; axe has to be let in here.
      const page = await open({ browser, url }, { ...options, bypassCSP: true });
      for (const path of PAGES) {
        await page.visit(path);
        await page.waitForTimeout(path.startsWith('query') ? 400 : 50);
        await page.screenshot({ path: `${shots}/${look}-${path.replace(/[/?].*/, (rest) => (rest === '/new' ? '-new' : ''))}.png`, caret: 'initial' });
        for (const finding of await findings(page, axe)) found.push(`${look} ${path}: ${finding}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 1) found.push(`${look} ${path}: ${wide} pixels wider than the window`);
      }
      await page.visit('alerts');
      const first = await page.locator('article.alert a.name').first().getAttribute('href');
      await page.visit(first);
      await page.screenshot({ path: `${shots}/${look}-alert.png`, caret: 'initial' });
      for (const finding of await findings(page, axe)) found.push(`${look} alert: ${finding}`);
      await page.end();
    }
    assert.deepEqual(found, []);
  },

  // docs/why.md, step by step; its screenshots are these.
  async 'a stranger finds out why the second page came'({ browser, url, shots }) {
    const page = await open({ browser, url }, { viewport: { width: 960, height: 600 }, reducedMotion: 'reduce' });
    await page.visit('');
    await page.getByLabel('Matchers').fill('alertname="GPUMemoryExhausted"');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByRole('heading', { name: '4 firing' }).waitFor();
    await page.screenshot({ path: `${shots}/why-now.png`, caret: 'initial' });
    await page.locator('article.alert a.name').first().click();
    await page.getByRole('heading', { name: 'Why', exact: true }).waitFor();
    await page.getByText('holds for 4 of 64 series').first().waitFor();
    const decided = page.locator('.decisions li').filter({ hasText: 'new alerts in group' }).first();
    await page.locator('.decisions li').filter({ hasText: 'which waits until' }).first().waitFor();
    await page.getByRole('heading', { name: 'What was decided' }).waitFor();
    // In one step: the page is live, and an element may be another one a moment later.
    await page.evaluate(() => document.querySelector('.decisions').previousElementSibling.scrollIntoView());
    await page.screenshot({ path: `${shots}/why-alert.png`, caret: 'initial' });
    await decided.getByRole('link').click();
    await page.getByRole('heading', { name: 'What was new' }).waitFor();
    await page.screenshot({ path: `${shots}/why-notification.png`, caret: 'initial' });
    const list = (name) => page.locator(`h2:text-is("${name}") + ul li`);
    assert.equal(await list('What was new').count(), 3);
    assert.equal(await list('What still fired').count(), 1);
    await page.getByText('new alerts in group', { exact: true }).waitFor();
    await page.locator('dd').getByRole('link', { name: /^notification \d+$/ }).click();
    await page.getByText('first notification', { exact: true }).waitFor();
    assert.equal(await list('What was new').count(), 1);
    await page.end();
  },

  async 'the history is filtered by keys alone, and without scripts'({ browser, url }) {
    for (const options of [{}, { javaScriptEnabled: false }]) {
      const page = await open({ browser, url }, options);
      await page.visit('history');
      await page.getByLabel('Matchers').focus();
      await page.keyboard.type('alertname="GPUMemoryExhausted"');
      await page.getByLabel('Kind').selectOption('sent');
      await page.getByLabel('Matchers').focus();
      await page.keyboard.press('Enter');
      await page.waitForURL(/kind=sent/);
      assert.equal(await page.locator('.decisions li').count(), await page.locator('.decisions .state.ok').count());
      assert.ok(await page.locator('.decisions li').count() >= 4);
      await page.getByRole('link', { name: 'Clear' }).click();
      await page.waitForURL(/history$/);
      await page.getByRole('link', { name: 'Older' }).click();
      await page.getByRole('link', { name: 'Newest' }).waitFor();
      await page.end();
    }
  },

  async 'links to Prometheus and Alertmanager lead to the same here'({ browser, url }) {
    const page = await open({ browser, url });
    for (const [from, to] of [
      ['graph?g0.expr=up%20%3D%3D%200&g0.tab=1', '/query?g0.expr=up%20%3D%3D%200&g0.tab=1'],
      ['#/alerts?receiver=team', '/alerts?receiver=team'],
      ['#/alerts?silenced=false&inhibited=false&active=true&filter=%7Balertname%3D%22X%22%7D', '/alerts?silenced=false&inhibited=false&active=true&filter=%7Balertname%3D%22X%22%7D'],
      ['#/silences/new?filter=%7Ba%3D%22b%22%7D', '/silences/new?filter=%7Ba%3D%22b%22%7D'],
      ['#/silences', '/silences'],
      ['#/status', '/status'],
      ['config', '/status#configuration'],
      ['flags', '/status#flags'],
    ]) {
      await page.visit(from);
      await page.waitForURL(`${url}${to}`);
    }
    await page.visit('#/silences/new?filter=%7Ba%3D%22b%22%7D');
    await page.waitForURL(/silences\/new/);
    assert.equal((await page.locator('textarea').inputValue()).trim(), 'a="b"');
    await page.end();
  },

  async 'an alert is silenced in two clicks, and what is muted says why'({ browser, url, shots }) {
    await post(url, [alert('TwoClicks', { host: 'a' }), alert('TwoClicks', { host: 'b' })]);
    const page = await open({ browser, url });
    const mute = async (host) => {
      await page.visit(`alerts?filter=alertname%3D%22TwoClicks%22%2Chost%3D%22${host}%22`);
      await page.getByRole('link', { name: 'silence', exact: true }).click();
      await page.getByText('It matches 1 alert that fires now').waitFor();
    };
    await mute('a');
    await page.getByLabel('By').fill('أمل');
    await page.screenshot({ path: `${shots}/flow-silence.png`, caret: 'initial' });
    await page.getByRole('button', { name: 'Silence' }).click();
    await page.getByText('mutes 1').first().waitFor();
    // Who made one is known from then on: two clicks.
    await mute('b');
    await page.getByRole('button', { name: 'Silence' }).click();
    await page.waitForURL(/silences#s-/);
    await page.visit('alerts?filter=alertname%3D%22TwoClicks%22');
    await page.getByText('2 muted', { exact: false }).first().waitFor();
    assert.equal(await page.getByText('Silenced by').count(), 2);
    await page.visit('silences');
    for (let left = await page.getByRole('button', { name: 'End now' }).count(); left > 0; left -= 1) {
      await page.getByRole('button', { name: 'End now' }).first().click();
      await page.waitForLoadState();
    }
    await page.getByText('There are none').waitFor();
    await page.end();
  },

  async 'the preview follows what is written'({ browser, url }) {
    await post(url, [alert('Preview', { n: '1' }), alert('Preview', { n: '2' })]);
    const page = await open({ browser, url });
    await page.visit('silences/new');
    await page.locator('textarea').fill('alertname="Preview"');
    await page.getByText('It matches 2 alerts that fire now').waitFor();
    await page.locator('textarea').fill('alertname="Preview"\nn="2"');
    await page.getByText('It matches 1 alert that fires now').waitFor();
    await page.locator('textarea').fill('alertname=~"("');
    await page.getByText('These matchers cannot be read').waitFor();
    await page.end();
  },

  async 'an alert is acknowledged by keys alone'({ browser, url }) {
    await post(url, [alert('ByKeys')]);
    const page = await open({ browser, url });
    await page.visit('alerts?filter=alertname%3D%22ByKeys%22');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
    await page.locator('article a.name').focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/alert\//);
    await page.getByLabel('By').focus();
    await page.keyboard.type('basim');
    await page.keyboard.press('Enter');
    await page.getByText('Acknowledged by basim').waitFor();
    await page.getByRole('button', { name: 'End the acknowledgement' }).click();
    await page.getByRole('button', { name: 'Acknowledge' }).waitFor();
    await page.end();
  },

  async 'the page of now shows news without being loaded again, and disturbs nobody who writes'({ browser, url }) {
    const page = await open({ browser, url });
    await page.visit('alerts?filter=alertname%3D%22News%22');
    await page.locator('#live.on').waitFor({ state: 'attached' });
    await page.evaluate(() => { globalThis.same = true; });
    await post(url, [alert('News')]);
    await page.getByRole('heading', { name: '1 firing' }).waitFor();
    assert.equal(await page.evaluate(() => globalThis.same), true, 'it was not loaded again');
    await page.getByLabel('Text').fill('half a wo');
    await post(url, [alert('News', { n: '2' })]);
    await page.waitForTimeout(2500);
    assert.equal(await page.getByLabel('Text').inputValue(), 'half a wo');
    await page.end();
  },

  async 'queries make tables and graphs, are shared by their address, and errors are underlined'({ browser, url, shots }) {
    const page = await open({ browser, url });
    await page.visit('query');
    const box = page.getByRole('textbox', { name: 'PromQL expression' }).first();
    // By keys: what is put in place of coloured text from outside brings its colour as an inline style, which the policy tells.
    const write = async (text) => {
      await box.focus();
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.press('Backspace');
      await page.keyboard.insertText(text);
    };
    await write('topk(3, DCGM_FI_DEV_GPU_TEMP)');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await page.getByRole('cell').first().waitFor();
    assert.match(page.url(), /g0\.expr=topk%283%2C\+DCGM/);
    await page.getByLabel('Graph').check();
    await page.locator('.uplot canvas').waitFor();
    assert.match(page.url(), /g0\.tab=graph/);
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${shots}/flow-graph.png`, caret: 'initial' });
    // Whoever has the address sees the same.
    const other = await open({ browser, url });
    await other.goto(page.url());
    await other.locator('.uplot canvas').waitFor();
    assert.equal(await other.locator('.legend li').count(), await page.locator('.legend li').count());
    await other.end();
    await page.locator('.legend button').first().click();
    assert.equal(await page.locator('.legend button').first().getAttribute('aria-pressed'), 'false');
    page.expects = /400 \(Bad Request\)/;
    await write('sum(up) + ) 1');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'parse error' }).waitFor();
    await page.locator('.cm-lintRange-error').first().waitFor();
    await write('sum(up)');
    // By keys again: completions may lie over what is below the editor.
    await page.getByLabel('Explain').focus();
    await page.keyboard.press('Space');
    await page.getByText('select up').first().waitFor();
    await page.getByRole('button', { name: 'Add a panel' }).click();
    await page.waitForURL(/add=1|g1/);
    assert.equal(await page.locator('.panel').count(), 2);
    await page.end();
  },

  async 'names are completed in the editor'({ browser, url }) {
    const page = await open({ browser, url });
    await page.visit('query');
    await page.getByRole('textbox', { name: 'PromQL expression' }).pressSequentially('DCGM_FI_DEV_GPU_T');
    await page.locator('.cm-tooltip-autocomplete li').filter({ hasText: 'DCGM_FI_DEV_GPU_TEMP' }).first().waitFor();
    await page.end();
  },

  async 'everything can be done without scripts'({ browser, url }) {
    await post(url, [alert('NoScript')]);
    const page = await open({ browser, url }, { javaScriptEnabled: false });
    await page.visit('alerts');
    await page.getByLabel('Matchers').fill('alertname="NoScript"');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByRole('link', { name: 'silence', exact: true }).click();
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByText('It matches 1 alert that fires now').waitFor();
    await page.getByLabel('By').fill('amal');
    await page.getByRole('button', { name: 'Silence' }).click();
    await page.getByRole('button', { name: 'End now' }).first().click();
    await page.visit('query');
    await page.getByLabel('PromQL expression').fill('vector(42)');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByRole('cell', { name: '42' }).waitFor();
    await page.end();
  },

  async 'a page elsewhere can change nothing'({ browser, url }) {
    const evil = createServer((_, answer) => {
      answer.setHeader('Content-Type', 'text/html');
      answer.end(`<form id="f" method="post" action="${url}/silences/new"><input name="matchers" value="a=b"><input name="lasts" value="1h"><input name="author" value="evil"></form><script>
        globalThis.tried = fetch('${url}/api/v2/silences', { method: 'POST', mode: 'no-cors', body: '{}' }).then(() => fetch('${url}/silences/new').then((a) => a.text()).then(() => 'read', () => 'not read'));
      </script>`);
    });
    await new Promise((done) => evil.listen(0, '127.0.0.1', done));
    try {
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`http://localhost:${evil.address().port}/`);
      assert.equal(await page.evaluate(() => globalThis.tried), 'not read', 'no page elsewhere learns a token');
      const [answer] = await Promise.all([page.waitForResponse(/silences\/new/), page.evaluate(() => document.getElementById('f').submit())]);
      assert.equal(answer.status(), 403);
      await context.close();
    } finally {
      evil.close();
    }
    const all = await (await fetch(`${url}/api/v2/silences`)).json();
    assert.deepEqual(all.filter((s) => s.createdBy === 'evil'), []);
  },

  async 'the way of an alert is tried on the tree of routes, and a receiver is tested'({ browser, url }) {
    const page = await open({ browser, url });
    await page.visit('routes');
    await page.getByLabel('Try labels').fill('severity="critical"');
    await page.getByRole('button', { name: 'Try' }).click();
    await page.getByText('These labels go to').waitFor();
    assert.ok(await page.getByText('ends here').count() > 0);
    await page.visit('receivers');
    await page.getByRole('button', { name: 'Send a test' }).first().click();
    await page.getByText('the test was').first().waitFor();
    await page.end();
  },

  async 'times are told in UTC on demand'({ browser, url }) {
    const page = await open({ browser, url }, {});
    await page.visit('rules');
    const clock = page.locator('#clock');
    const utc = await clock.getAttribute('datetime');
    await page.getByTitle('Server’s zone or UTC').click();
    assert.ok((await clock.textContent()).startsWith(utc.slice(0, 10)));
    assert.equal(await page.getByTitle('Server’s zone or UTC').textContent(), 'UTC');
    await page.end();
  },
};
