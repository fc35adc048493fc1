// Which cells are shown, in the table and in the matrix: `wanted` has the chosen value of each axis.
const wanted = new Map();
let sought = "";
let cellOfRow = new Map();
let listeners = [];
// Only so many rows are laid out, unless the reader asks for all: a filter has to be quick.
const FIRST = 100;
let most = FIRST;

const OUTCOMES = [["", "all"], ["wrong", "anything wrong"], ["broken", "promise broken"], ["passed", "ok"],
  ["failed", "finding"], ["error", "infrastructure failure"], ["skipped", "not run"]];

function matches(cell) {
  for (const [axis, value] of wanted) {
    if (axis === "outcome") {
      const wrong = cell.status === "failed" || cell.status === "error" || cell.promises_broken > 0;
      if (value === "wrong" ? !wrong : value === "broken" ? !cell.promises_broken : cell.status !== value) return false;
    } else if (String(cell[axis]) !== value) return false;
  }
  return !sought || sought.split(" ").every((word) => cell.text.includes(word));
}

function want(axis, value) {
  if (value === "") wanted.delete(axis);
  else wanted.set(axis, value);
  const select = document.querySelector(`#filters select[name="${axis}"]`);
  if (select) select.value = value;
  filter();
}

function filter() {
  let count = 0;
  for (const cell of DATA.cells) count += cell.shown = matches(cell);
  placeRows();
  const text = `${count} of ${DATA.cells.length} cells`;
  byId("count").textContent = text;
  say(text);
  for (const listen of listeners) listen();
}

// Of the cells shown, those beyond the first are on paper only.
function placeRows() {
  if (DATA.large) return placeSome();
  let count = 0;
  for (const row of [...byId("table").tBodies[0].rows]) {
    const { shown } = cellOfRow.get(row), later = shown && ++count > most;
    if (row.hidden === shown) row.hidden = !shown;
    if (row.classList.contains("later") !== later) row.classList.toggle("later", later);
  }
  const more = byId("more");
  more.hidden = count <= most;
  more.firstChild.textContent = `The first ${most} of ${count} rows. `;
}

// The order of a large run's cells; its table has only those rows that are laid out.
let inOrder = [];

function placeSome() {
  const some = inOrder.filter((cell) => cell.shown);
  const heads = [...byId("table").tHead.rows[0].cells];
  byId("table").tBodies[0].replaceChildren(...some.slice(0, most).map((cell) => rowOf(cell, heads)));
  byId("more").hidden = some.length <= most;
  byId("more").firstChild.textContent = `The first ${most} of ${some.length} rows. `;
}

const promised = ({ promises_broken: broken, promises_kept: kept }) => broken ? `${broken} broken` : kept ? `${kept} kept` : null;

function rowOf(cell, heads) {
  const figure = (value, decimals) => typeof value === "number" && decimals ? decimal(value) : shown(value);
  const name = cell.status === "skipped" ? cell.id : el("a", { href: `#${cell.id}`, title: cell.name }, cell.id);
  return el("tr", { class: cell.status }, heads.map((head, at) => {
    if (!at) return el("th", { scope: "row" }, name);
    const column = head.dataset.name, right = typeof cell[column] === "number" || head.classList.contains("number");
    return el("td", { class: right ? "number" : column === "outcome" ? "outcome" : null }, figure(column === "promises" ? promised(cell) : cell[column], head.classList.contains("decimal")));
  }));
}

function startFilters() {
  const table = byId("table");
  const rows = [...table.tBodies[0].rows];
  inOrder = [...DATA.cells];
  if (!DATA.large) cellOfRow = new Map(DATA.cells.map((cell, at) => [rows[at], cell]));
  for (const cell of DATA.cells) {
    cell.text = `${cell.id} ${cell.name} ${cell.outcome} ${cell.detail ?? ""}`.toLowerCase();
    cell.shown = true;
  }
  if (DATA.large) {
    sortable(table, (_, name) => inOrder.map((of) => ({ of, key: of[name] ?? null })), (order) => {
      inOrder = order;
      placeRows();
    });
  } else {
    sortable(table, (at) => [...table.tBodies[0].rows].map((of) => ({ of, key: keyOf(of.cells[at]) })), (order) => {
      table.tBodies[0].append(...order);
      placeRows();
    });
  }
  const further = DATA.large ? () => { most += 1000; } : () => { most = Infinity; };
  table.parentElement.after(el("p", { class: "note", id: "more", hidden: true }, "",
    el("button", { type: "button", onclick: () => { further(); placeRows(); } }, DATA.large ? "show 1000 more" : "show all rows")));
  const search = el("input", { type: "search", placeholder: "id, name, outcome", oninput: () => {
    sought = search.value.trim().toLowerCase();
    filter();
  } });
  const choose = (axis, label, options) => {
    const made = chooser(label, options, "", (value) => want(axis, value));
    made.querySelector("select").name = axis;
    return made;
  };
  const axes = Object.entries(DATA.axes).map(([axis, values]) =>
    choose(axis, worded(axis), [["", "all"], ...values.map((value) => [String(value), String(value)])]));
  const bar = el("div", { class: "bar", id: "filters", role: "group", "aria-label": "Which cells" },
    el("label", {}, "search", search), axes, choose("outcome", "outcome", OUTCOMES),
    el("button", { type: "button", onclick: () => {
      search.value = sought = "";
      for (const axis of [...wanted.keys()]) want(axis, "");
      filter();
    } }, "show all"),
    el("span", { class: "note", id: "count" }, `${DATA.cells.length} cells`),
    el("span", { class: "push" }, saves("cells", cellTable)));
  byId("cells-title").after(bar);
  placeRows();
}

// All that is known of the cells shown, in the order of the table.
function cellTable() {
  if (DATA.large) return tableOfRecords(inOrder.filter((cell) => cell.shown).map(({ text, shown: ignored, status, ...facts }) => facts));
  const cells = new Map(DATA.cells.map((cell) => [cell.id, cell]));
  const ids = [...byId("table").tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent.trim());
  return tableOfRecords(ids.map((id) => {
    const { text, shown: ignored, status, ...facts } = cells.get(id);
    return facts;
  }));
}
