async function expanded(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

const block = async (name) => JSON.parse(await expanded(byId(`data-${name}`).textContent));

// Rows of pictures are kept as columns, which compress better.
function unpacked(spec) {
  if (Array.isArray(spec)) return spec.map(unpacked);
  if (spec === null || typeof spec !== "object") return spec;
  const names = Object.keys(spec);
  if (names.length === 1 && names[0] === "columns" && typeof spec.columns === "object") {
    const columns = Object.entries(spec.columns);
    const values = columns[0][1].map((_, at) => Object.fromEntries(columns.map(([key, of]) => [key, of[at]])));
    return { values };
  }
  return Object.fromEntries(names.map((name) => [name, unpacked(spec[name])]));
}

// The cells of a large run, which are kept as columns (large.py says how).
function recorded({ rows, columns }) {
  const cells = Array.from({ length: rows }, () => ({}));
  for (const [name, column] of Object.entries(columns)) {
    const { of, at } = Array.isArray(column) ? { of: column, at: null } : column;
    for (let row = 0; row < rows; row += 1) {
      cells[row][name] = at ? of[at[row]] : Array.isArray(column) ? of[row] : of[0];
    }
  }
  return cells;
}
