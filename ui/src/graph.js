// The graph of a range query: uPlot, a legend whose entries show and hide their lines.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

const MOST = 200;
const dark = matchMedia('(prefers-color-scheme: dark)');
// Told apart by lightness too, so that they are by those who see no hue.
const colour = (i) => `hsl(${(215 + i * 137.5) % 360} ${dark.matches ? '70% 68%' : '65% 38%'})`;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const number = (text) => ({ '+Inf': Infinity, '-Inf': -Infinity })[text] ?? Number(text);
export const named = ({ __name__: name = '', ...labels }) => {
  const pairs = Object.entries(labels).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(', ');
  return pairs ? `${name}{${pairs}}` : name || '{}';
};
const short = (value) => (value == null ? '–' : Math.abs(value) >= 1e6 || (value && Math.abs(value) < 1e-3) ? value.toPrecision(4) : String(+value.toPrecision(7)));

// The zone of the page's clock, in 24 hours; with the day where the graph is longer than one.
function moments(span) {
  const zone = document.querySelector('.clock button, .clock span:last-child').textContent;
  const day = span > 86400 ? { month: 'short', day: 'numeric' } : {};
  const second = span < 600 ? { second: '2-digit' } : {};
  const written = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: zone, ...day, ...second });
  return (_, all) => all.map((t) => written.format(t * 1000));
}

/// Draws the matrix of an answer into `host`; the range that is chosen with the mouse goes to `zoom`. Returns what takes the
/// graph away again.
export function graph(host, { result }, [start, end, step], zoom) {
  const shown = result.slice(0, MOST);
  const times = Array.from({ length: Math.floor((end - start) / step + 1e-6) + 1 }, (_, i) => start + i * step);
  const columns = shown.map(({ values = [] }) => {
    const column = new Array(times.length).fill(null);
    for (const [t, v] of values) {
      const value = number(v);
      column[Math.round((t - start) / step)] = Number.isFinite(value) ? value : null;
    }
    return column;
  });
  const axis = () => ({ stroke: style('--quiet'), grid: { stroke: style('--line'), width: 1 }, ticks: { stroke: style('--line') } });
  const legend = document.createElement('ul');
  legend.className = 'legend';
  const entries = shown.map(({ metric }, i) => {
    const entry = document.createElement('button');
    entry.type = 'button';
    entry.setAttribute('aria-pressed', 'true');
    const swatch = document.createElement('span');
    swatch.style.background = colour(i);
    const value = document.createElement('b');
    entry.append(swatch, Object.assign(document.createElement('bdi'), { textContent: named(metric) }), value);
    const item = document.createElement('li');
    item.append(entry);
    legend.append(item);
    return { entry, value };
  });
  const values = (at) => entries.forEach(({ value }, i) => { value.textContent = short(at == null ? columns[i].findLast((v) => v != null) : columns[i][at]); });
  const plot = new uPlot({
    width: host.clientWidth,
    height: Math.max(220, Math.min(360, innerHeight * 0.45)),
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, focus: { prox: 24 } },
    focus: { alpha: 0.35 },
    scales: { x: { range: () => [start, end] } },
    axes: [{ ...axis(), space: 80, values: moments(end - start) }, { ...axis(), size: 64, values: (_, all) => all.map(short) }],
    series: [{}, ...shown.map((_, i) => ({ stroke: colour(i), width: 1.5, spanGaps: false, points: { show: times.length < 2 } }))],
    hooks: {
      setCursor: [({ cursor: { idx } }) => values(idx)],
      setSelect: [(u) => {
        if (u.select.width > 8) zoom(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'));
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
    },
  }, [times, ...columns]);
  plot.root.setAttribute('role', 'img');
  plot.root.setAttribute('aria-label', `Graph of ${result.length} series; the legend below has their last values`);
  entries.forEach(({ entry }, i) => {
    entry.onclick = ({ ctrlKey, metaKey }) => {
      const alone = ctrlKey || metaKey;
      entries.forEach((other, j) => {
        const show = alone ? i === j : i === j ? !plot.series[j + 1].show : plot.series[j + 1].show;
        other.entry.setAttribute('aria-pressed', String(show));
        plot.setSeries(j + 1, { show });
      });
    };
    entry.onpointerenter = () => plot.setSeries(i + 1, { focus: true });
    entry.onpointerleave = () => plot.setSeries(null, { focus: true });
  });
  values(null);
  host.replaceChildren(plot.root, legend);
  if (result.length > MOST) {
    host.append(Object.assign(document.createElement('p'), { className: 'quiet', textContent: `${result.length - MOST} more series are not drawn` }));
  }
  const sizes = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: plot.height }));
  sizes.observe(host);
  return () => { sizes.disconnect(); plot.destroy(); host.replaceChildren(); };
}
