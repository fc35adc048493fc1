// Groups along one axis, setting by setting: medians, intervals, and every run as a dot.
function startCompare() {
  const found = DATA.compare;
  const axes = Object.keys(found.axes).filter((axis) => found.by[axis]?.length);
  const section = byId("compare");
  if (!section || !axes.length) return void section?.remove();
  const names = Object.keys(found.units);
  const state = { by: axes.includes("series") ? "series" : axes[0], figure: "herd" };
  const place = el("div");
  const draw = () => place.replaceChildren(...comparisonOf(found, state));
  section.append(
    el("p", { class: "note" }, "A setting is a value on each other axis. The interval is the 95 % bootstrap interval of the median over seeds; without several seeds there is none."),
    el("div", { class: "bar", role: "group", "aria-label": "What is compared" },
      chooser("by", axes.map((axis) => [axis, worded(axis)]), state.by, (value) => { state.by = value; draw(); }),
      chooser("figure", names.map((name) => [name, worded(name)]), state.figure, (value) => { state.figure = value; draw(); })),
    place);
  draw();
}

const settingOf = (row) => row.setting.map(([axis, value]) => worth(axis, value)).join(" · ") || "all";

function comparisonOf(found, { by, figure }) {
  const rows = found.by[by], groups = found.axes[by].map(String), unit = found.units[figure];
  const of = (row, group) => {
    const at = row.groups.map(String).indexOf(group);
    return at < 0 ? null : row.figures[figure][at];
  };
  const word = (one) => {
    if (!one || one[1] === null) return "-";
    const [n, middle, low, high] = one;
    return `${shown(middle)}${low === null ? "" : ` [${shown(low)}, ${shown(high)}]`}${n > 1 ? ` (${n} runs)` : ""}`;
  };
  const differs = (one) => one?.[5] ? `${one[5][1] > 0 ? "+" : ""}${shown(one[5][1])} [${shown(one[5][2])}, ${shown(one[5][3])}]` : null;
  const paired = rows.some((row) => groups.some((group) => differs(of(row, group))));
  const columns = ["setting", ...groups.flatMap((group, at) => at && paired ? [group, `${group} − ${groups[0]}`] : [group])];
  const table = tableFrom("comparison", columns, rows.map((row) => [settingOf(row),
    ...groups.flatMap((group, at) => at && paired ? [word(of(row, group)), differs(of(row, group)) ?? "-"] : [word(of(row, group))])]));
  const long = () => tableOfRecords(rows.flatMap((row) => groups.map((group) => {
    const one = of(row, group);
    return { by, group, figure, unit, ...Object.fromEntries(row.setting), n: one?.[0] ?? 0, median: one?.[1] ?? null, low: one?.[2] ?? null, high: one?.[3] ?? null,
      difference: one?.[5]?.[1] ?? null, difference_low: one?.[5]?.[2] ?? null, difference_high: one?.[5]?.[3] ?? null };
  })));
  const total = found.settings?.[by] ?? rows.length;
  return [comparedPicture(rows.slice(0, 40), groups, of, worded(figure), by, total),
    total > rows.length ? el("p", { class: "note" }, `The first ${rows.length} of ${total} settings; memnotify compare has all.`) : null,
    scrolled("Comparison", table), saves("comparison", long)].filter(Boolean);
}

function comparedPicture(rows, groups, of, title, by, total) {
  const all = rows.flatMap((row) => groups.map((group) => of(row, group))).filter((one) => one && one[1] !== null);
  if (!all.length) return el("p", { class: "note" }, "No cell has this figure.");
  const [low, high] = bounds(all.flatMap((one) => [one[1], one[3] ?? one[1], ...one[4]]));
  const line = 15, width = 700;
  const left = Math.min(320, 16 + 6.3 * Math.max(...rows.map((row) => settingOf(row).length)));
  const right = 24 + 6.5 * Math.max(...groups.map((name) => name.length));
  const across = width - left - right, top = 12;
  const place = (value) => left + ((value - low) / (high - low)) * across;
  const step = groups.length * line + 10, bottom = top + rows.length * step;
  const children = axisX(low, high, left, across, bottom, top, title);
  rows.forEach((row, at) => {
    children.push(inked(left - 10, top + at * step + step / 2, clipped(settingOf(row), 48), { "text-anchor": "end" }));
    children.push(svgEl("line", { x1: left, x2: left + across, y1: top + at * step, y2: top + at * step, stroke: DATA.colours.grid }));
    groups.forEach((group, number) => {
      const one = of(row, group), y = top + at * step + 12 + number * line;
      if (!one || one[1] === null) return;
      for (const value of one[4].length > 1 ? one[4] : []) {
        children.push(svgEl("circle", { cx: place(value), cy: y, r: 2.2, fill: "none", stroke: colourOf(number), "stroke-width": 0.9 }));
      }
      if (one[2] !== null) children.push(svgEl("line", { x1: place(one[2]), x2: place(one[3]), y1: y, y2: y, stroke: colourOf(number), "stroke-width": 2.5 }));
      children.push(mark(number, place(one[1]), y));
      children.push(inked(place(Math.max(one[3] ?? one[1], one[1])) + 9, y + 4, `${group} ${shown(one[1])}`, { fill: DATA.colours.soft }));
    });
  });
  const more = total > rows.length ? `; the first ${rows.length} of ${total} settings` : "";
  return figureOf(`${title} by ${worded(by)}${more}. ${answered(rows, groups, of)}`,
    drawing(width, bottom + 40, title, children), "comparison");
}

const clipped = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;

// What the picture says: the medians of each group over its settings.
function answered(rows, groups, of) {
  const words = groups.map((group) => [group, rows.map((row) => of(row, group)?.[1]).filter((value) => typeof value === "number")])
    .filter(([, values]) => values.length).map(([group, values]) => {
      const low = least(values), high = greatest(values);
      return `${group} ${shown(low)}${high > low ? ` to ${shown(high)}` : ""}`;
    });
  return `Medians: ${words.join(", ")}.`;
}
