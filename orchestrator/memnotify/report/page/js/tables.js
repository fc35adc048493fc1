// The static table of cells becomes one that can be sorted.
// `keyed` returns what has an order and the key of each for a column, `placed` puts them in order.
function sortable(table, keyed, placed) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const text = head.textContent;
    head.replaceChildren(el("button", { type: "button", onclick: () => sort(at) }, text));
  });
  function sort(at) {
    const down = heads[at].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[at].setAttribute("aria-sort", down ? "descending" : "ascending");
    const found = keyed(at, heads[at].dataset.name);
    found.sort((a, b) => ordered(a.key, b.key, down));
    placed(found.map(({ of }) => of));
    say(`sorted by ${heads[at].textContent}, ${down ? "descending" : "ascending"}`);
  }
}

function keyOf(cell) {
  const text = cell.textContent.trim();
  return text === "-" || text === "" ? null : Number.isNaN(Number(text)) ? text : Number(text);
}

// What is unknown comes last either way, numbers before texts.
function ordered(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  const order = typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  return down ? -order : order;
}

// A number, alone or as `12 [10, 14] (3 runs)`; what is unknown is "-".
const FIGURE = /^[-+]?[\d.,]+( \[[^\]]*\])?( \(\d+ runs\))?$/;
const isFigure = (value) => typeof value === "number" || FIGURE.test(value);

// Columns of figures, unknown ones among them, are aligned to the right, with their headings.
function tableFrom(name, columns, rows, properties = {}) {
  const figures = columns.map((_, at) => rows.every(({ [at]: value }) => shown(value) === "-" || isFigure(value)));
  const aligned = (at) => ({ class: figures[at] ? "number" : null });
  const head = el("tr", {}, columns.map((column, at) => el("th", { scope: "col", ...aligned(at) }, column)));
  const body = rows.map((row) => el("tr", {}, row.map((value, at) =>
    el("td", typeof value === "number" ? { class: "number" } : aligned(at), value instanceof Node ? value : shown(value)))));
  return el("table", { "data-table": name, ...properties }, el("thead", {}, head), el("tbody", {}, body));
}

const scrolled = (label, ...children) =>
  el("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, children);
