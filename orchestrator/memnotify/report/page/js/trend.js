// How each figure went from run to run, and which cells changed.
function startTrend() {
  const found = DATA.trend;
  if (!found) return;
  const point = new Map(DATA.cells.map((cell) => [cell.name, cell]));
  const axes = Object.keys(DATA.axes);
  const state = { figure: "herd", by: axes.includes("series") ? "series" : axes[0] ?? "", only: "changed" };
  const place = el("div");
  const draw = () => place.replaceChildren(...trended(found, point, state));
  const set = (key) => (value) => { state[key] = value; draw(); };
  byId("trend").append(
    el("div", { class: "bar", role: "group", "aria-label": "What the trend shows" },
      chooser("figure", Object.keys(DATA.compare.units).map((name) => [name, worded(name)]), state.figure, set("figure")),
      chooser("a line for each", [...axes.map((axis) => [axis, worded(axis)]), ["", "all cells"]], state.by, set("by")),
      chooser("cells", [["changed", "that changed"], ["all", "all"]], state.only, set("only"))),
    place);
  draw();
}

const isChanged = (cell) => cell.points.some((one) => one === null || (one.change !== "first" && one.change !== "identical"));

function trended(found, point, { figure, by, only }) {
  const cells = found.cells.filter((cell) => only === "all" || isChanged(cell));
  const columns = ["cell", ...found.runs.map((run) => run.date), "last change"];
  const rows = cells.map((cell) => {
    const newest = cell.points.at(-1);
    const name = newest && byId(`data-${newest.id}`) ? el("a", { href: `#${newest.id}` }, cell.name) : cell.name;
    const last = newest ? [newest.change, ...(newest.inputs.length ? [`other ${newest.inputs.join(", ")}`] : [])].join("; ") : "no results in the last run";
    return [name, ...cell.points.map((one) => one ? one.figures[figure] ?? null : null), last];
  });
  const same = found.cells.length - found.cells.filter(isChanged).length;
  const table = tableFrom("trend", columns, rows, { class: "changed" });
  const long = () => tableOfRecords(found.cells.flatMap((cell) => cell.points.map((one, at) => ({
    cell: cell.name, run: found.runs[at].path, date: new Date(found.runs[at].at * 1000).toISOString(), id: one?.id ?? null,
    outcome: one?.outcome ?? null, change: one?.change ?? null, ...one?.figures }))));
  return [trendPicture(found, point, figure, by),
    el("p", { class: "note" }, `${same} of ${found.cells.length} cells are identical in all runs: equal logs, record by record.`),
    rows.length ? scrolled("Trend of each cell", table) : null, saves("trend", long)].filter(Boolean);
}

function trendPicture(found, point, figure, by) {
  const lines = new Map();
  for (const cell of found.cells) {
    const name = by ? String(point.get(cell.name)?.[by] ?? "-") : "all cells";
    if (!lines.has(name)) lines.set(name, found.runs.map(() => []));
    cell.points.forEach((one, at) => {
      const value = one?.figures[figure];
      if (typeof value === "number") lines.get(name)[at].push(value);
    });
  }
  const drawnLines = [...lines].map(([name, values]) => [name, values.map(median)]).slice(0, 8);
  const all = drawnLines.flatMap(([, values]) => values).filter((value) => value !== null);
  if (!all.length) return el("p", { class: "note" }, "No cell has this figure.");
  const [low, high] = bounds(all);
  const width = 700, height = 230, left = 56, right = 130, top = 26, bottom = height - 34;
  const x = (at) => left + (found.runs.length > 1 ? (at / (found.runs.length - 1)) * (width - left - right) : 0);
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  const title = `${worded(figure)}: median of the cells`;
  const step = Math.ceil(found.runs.length / 5);
  const children = [inked(8, 14, title),
    ...ticks(low, high, 4).flatMap((value) => [svgEl("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), stroke: DATA.colours.grid }),
      inked(left - 6, y(value) + 4, shown(value), { "text-anchor": "end", fill: DATA.colours.soft })]),
    ...found.runs.map((run, at) => at % step ? null : inked(x(at), bottom + 18, new Date(run.at * 1000).toISOString().slice(0, 16).replace("T", " "),
      { "text-anchor": at ? "middle" : "start", fill: DATA.colours.soft }))].filter(Boolean);
  const ends = [];
  drawnLines.forEach(([name, values], number) => {
    const there = values.map((value, at) => [at, value]).filter(([, value]) => value !== null);
    if (!there.length) return;
    children.push(svgEl("path", { d: there.map(([at, value], n) => `${n ? "L" : "M"}${x(at)},${y(value)}`).join(""), fill: "none", stroke: colourOf(number), "stroke-width": 1.5 }));
    there.forEach(([at, value]) => children.push(mark(number, x(at), y(value))));
    const [at, last] = there.at(-1);
    ends.push({ name: `${name} ${shown(last)}`, x: x(at) + 10, y: y(last) + 4, number });
  });
  ends.sort((a, b) => a.y - b.y).forEach((end, at) => { if (at) end.y = Math.max(end.y, ends[at - 1].y + 13); });
  children.push(...ends.map((end) => inked(end.x, end.y, clipped(end.name, 18))));
  const alt = `${title}. ${drawnLines.map(([name, values]) => `${name}: ${values.map(shown).join(", ")}`).join("; ")}.`;
  return figureOf(alt, drawing(width, height, title, children), "trend");
}
