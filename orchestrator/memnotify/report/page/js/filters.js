// Which cells are shown, in the table and in the matrix: `wanted` has the chosen value of each axis.
const wanted = new Map();
let sought = "";
let rowsById = new Map();
let listeners = [];

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
  for (const cell of DATA.cells) {
    cell.shown = matches(cell);
    count += cell.shown;
    const row = rowsById.get(cell.id);
    if (row.hidden === cell.shown) row.hidden = !cell.shown;
  }
  const text = `${count} of ${DATA.cells.length} cells`;
  byId("count").textContent = text;
  say(text);
  for (const listen of listeners) listen();
}

function startFilters() {
  const table = byId("table");
  const rows = [...table.tBodies[0].rows];
  rowsById = new Map(DATA.cells.map((cell, at) => [cell.id, rows[at]]));
  for (const cell of DATA.cells) {
    cell.text = `${cell.id} ${cell.name} ${cell.outcome} ${cell.detail ?? ""}`.toLowerCase();
    cell.shown = true;
  }
  sortable(table);
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
}

// All that is known of the cells shown, in the order of the table.
function cellTable() {
  const cells = new Map(DATA.cells.map((cell) => [cell.id, cell]));
  const ids = [...byId("table").tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent.trim());
  return tableOfRecords(ids.map((id) => {
    const { text, shown: ignored, status, ...facts } = cells.get(id);
    return facts;
  }));
}
