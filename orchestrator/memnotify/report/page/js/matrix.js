// The matrix as a heat map: a table, so that keyboards and screen readers can use it.
const REST = "all others";
const TALLEST = 200; // rows, of a large run
const chosen = { figure: "max_batch", rows: REST, columns: "series" };
const LETTERS = { panic: "P", reboot: "R", hang: "H", agent: "A", "self-check": "S", "oom-kill": "O", balloon: "B" };
const AFTER = new Set(["id", "name", "outcome", "detail", "status", "repeatability", "seed", "repeat"]);

function figures() {
  const found = new Set();
  for (const cell of DATA.cells) {
    for (const [name, value] of Object.entries(cell)) {
      if (typeof value === "number" && !AFTER.has(name) && !(name in DATA.axes)) found.add(name);
    }
  }
  for (const axis of ["memory_mib", "clients"]) found.delete(axis);
  return [...found];
}

// The letter of what went wrong in a cell, and what it means.
function letterOf(cell) {
  if (cell.status === "error") return ["I", "infrastructure failure"];
  if (cell.promises_broken) return ["!", "promise broken"];
  if (cell.status !== "failed") return null;
  const kind = cell.outcome.split(":")[1];
  return [LETTERS[kind] ?? "F", kind];
}

function tiles() {
  const axes = Object.keys(DATA.axes);
  const rest = axes.filter((axis) => axis !== chosen.columns && axis !== "repeat");
  const keyed = (cell, which) => which === REST ? rest.map((axis) => worth(axis, cell[axis])).join(" · ") || "all"
    : which === "" ? "all" : worth(which, cell[which]);
  const rows = new Map(), columns = new Set();
  for (const cell of DATA.cells) {
    if (!cell.shown) continue;
    const row = keyed(cell, chosen.rows), column = keyed(cell, chosen.columns);
    columns.add(column);
    if (!rows.has(row)) rows.set(row, new Map());
    const of = rows.get(row);
    if (!of.has(column)) of.set(column, []);
    of.get(column).push(cell);
  }
  return { rows, columns: [...columns] };
}

const worth = (axis, value) => axis === "memory_mib" ? `${value} MiB` : axis === "clients" ? `${value} ${value === 1 ? "client" : "clients"}`
  : axis === "repeat" ? `#${value}` : String(value);

function told(cells) {
  const values = cells.map((cell) => cell[chosen.figure]).filter((value) => typeof value === "number");
  const letters = cells.map(letterOf).filter(Boolean);
  return { value: median(values), letters, ran: cells.some((cell) => cell.status !== "skipped") };
}

function drawMatrix() {
  const { rows, columns } = tiles();
  const all = [...rows.values()].flatMap((of) => [...of.values()]).map(told);
  const values = all.map((one) => one.value).filter((value) => value !== null);
  const low = least(values), high = greatest(values);
  const strength = (value) => value === null ? 0 : high > low ? Math.round(((value - low) / (high - low)) * 70) : 25;
  const some = [...rows].slice(0, DATA.large ? TALLEST : Infinity);
  const body = some.map(([name, of]) => el("tr", {}, el("th", { scope: "row" }, name), columns.map((column) =>
    tile(of.get(column), `${name}, ${column}`, strength))));
  const head = el("tr", {}, el("th", { scope: "col" }, chosen.rows === REST ? "setting" : worded(chosen.rows || "all")),
    columns.map((column) => el("th", { scope: "col" }, column)));
  const table = el("table", { class: "heat" },
    el("caption", { class: "unseen" }, `${worded(chosen.figure)} of each cell`), el("thead", {}, head), el("tbody", {}, body));
  byId("heat").replaceChildren(table);
  const meanings = new Map(all.flatMap((one) => one.letters));
  byId("legend").replaceChildren(
    el("span", {}, values.length ? `${worded(chosen.figure)}: ${shown(low)} ` : "no cell has this figure", values.length ? el("span", { class: "ramp" }) : null, values.length ? ` ${shown(high)}` : null),
    meanings.size ? el("span", {}, el("span", { class: "hatch" }), ` ${[...meanings].map(([letter, what]) => `${letter} ${what}`).join(", ")}`) : "",
    [...rows.values()].some((of) => [...of.values()].some((cells) => cells.length > 1)) ? el("span", {}, "several cells in a tile: their median, and × how many") : "",
    some.length < rows.size ? el("span", {}, `the first ${some.length} of ${rows.size} rows`) : "");
  drawn = { rows, columns, strength };
}

let drawn = null;

function tile(cells, place, strength) {
  if (!cells) return el("td", {}, el("span", { class: "empty" }, "·"));
  const { value, letters, ran } = told(cells);
  const one = cells.length === 1;
  const letter = [...new Set(letters.map(([short]) => short))].join("");
  const words = [`${place}: ${ran ? `${worded(chosen.figure)} ${shown(value)}` : "not run"}`,
    letters.length ? [...new Set(letters.map(([, what]) => what))].join(", ") : "", one ? "" : `${cells.length} cells`];
  const text = [el("span", {}, ran ? shown(value) : "not run"),
    letter ? el("span", { class: "letter" }, letter) : null, one ? null : el("span", {}, `×${cells.length}`)];
  const label = words.filter(Boolean).join("; ");
  const made = el("td", { class: letter ? "marked" : null },
    ran ? el("a", { href: one ? `#${cells[0].id}` : "#cells", title: label, "aria-label": label,
      onclick: one ? null : () => narrow(cells) }, text) : el("span", { class: "empty" }, text));
  if (strength(value)) made.style.backgroundColor = `color-mix(in srgb, var(--heat) ${strength(value)}%, var(--paper))`;
  return made;
}

// Of a tile with several cells, the table shows just these.
function narrow(cells) {
  for (const axis of Object.keys(DATA.axes)) {
    const values = new Set(cells.map((cell) => String(cell[axis])));
    if (values.size === 1) want(axis, [...values][0]);
  }
}

function matrixSvg() {
  const { rows, columns, strength } = drawn;
  const left = 20 + 6.6 * Math.max(...[...rows.keys()].map((name) => name.length), 6);
  const wide = Math.max(64, 12 + 6.6 * Math.max(...columns.map((name) => name.length)));
  const mixed = (part) => {
    const channel = (from, to) => Math.round(from + ((to - from) * part) / 100).toString(16).padStart(2, "0");
    return `#${channel(255, 0)}${channel(255, 114)}${channel(255, 178)}`;
  };
  const body = [...rows].flatMap(([name, of], y) => [
    inked(left - 8, 62 + y * 26, name, { "text-anchor": "end" }),
    ...columns.flatMap((column, x) => {
      const cells = of.get(column);
      if (!cells) return [];
      const { value, letters, ran } = told(cells);
      const at = { x: left + x * wide, y: 45 + y * 26, width: wide - 2, height: 24 };
      const letter = [...new Set(letters.map(([short]) => short))].join("");
      return [svgEl("rect", { ...at, fill: mixed(strength(value)) }), letter ? svgEl("rect", { ...at, fill: "url(#hatch)" }) : null,
        inked(at.x + wide / 2, at.y + 16, `${ran ? shown(value) : "not run"}${letter ? ` ${letter}` : ""}`, { "text-anchor": "middle" })];
    })]);
  const hatch = svgEl("pattern", { id: "hatch", width: 6, height: 6, patternTransform: "rotate(45)", patternUnits: "userSpaceOnUse" },
    svgEl("rect", { width: 1.5, height: 6, fill: DATA.colours.rule }));
  const svg = drawing(left + columns.length * wide + 10, 60 + rows.size * 26, `${DATA.name}: ${worded(chosen.figure)}`, [
    svgEl("defs", {}, hatch), inked(10, 18, `${DATA.name}: ${worded(chosen.figure)}`, { "font-size": 14, "font-weight": "bold" }),
    columns.map((name, x) => inked(left + x * wide + wide / 2, 38, name, { "text-anchor": "middle" })), body]);
  return new XMLSerializer().serializeToString(svg);
}

function startMatrix() {
  const names = figures();
  const axes = Object.keys(DATA.axes);
  if (!names.includes(chosen.figure)) chosen.figure = names[0] ?? "";
  if (!axes.includes(chosen.columns)) chosen.columns = axes.find((axis) => axis !== "repeat") ?? "";
  const set = (key) => (value) => { chosen[key] = value; drawMatrix(); };
  const several = axes.map((axis) => [axis, worded(axis)]);
  byId("matrix").append(
    el("div", { class: "bar", role: "group", "aria-label": "What the matrix shows" },
      chooser("figure", names.map((name) => [name, worded(name)]), chosen.figure, set("figure")),
      chooser("rows", [[REST, REST], ...several], chosen.rows, set("rows")),
      chooser("columns", [...several, ["", "none"]], chosen.columns, set("columns"))),
    scrolled("Matrix", el("div", { id: "heat" })), el("p", { class: "legend", id: "legend" }),
    savesSvg("matrix", matrixSvg));
  listeners.push(drawMatrix);
  drawMatrix();
}
