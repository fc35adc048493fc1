function save(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  say(`saved ${name}`);
}

function csv({ columns, rows }) {
  const word = (value) => {
    const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => `${row.map(word).join(",")}\n`).join("");
}

// `table` returns { columns, rows } of what is shown when a button is pressed.
function saves(name, table) {
  return el("div", { class: "saves" },
    el("button", { type: "button", onclick: () => save(`${name}.csv`, "text/csv", csv(table())) }, `${name}.csv`),
    el("button", { type: "button", onclick: () => save(`${name}.parquet`, "application/vnd.apache.parquet", parquet(table())) }, `${name}.parquet`));
}

function savesSvg(name, svg) {
  const write = async () => save(`${name}.svg`, "image/svg+xml", await svg());
  return el("div", { class: "saves" }, el("button", { type: "button", onclick: write }, `${name}.svg`));
}

function tableOf(element) {
  const texts = (row) => [...row.cells].map((cell) => cell.textContent.trim());
  const rows = [...element.tBodies[0].rows].filter((row) => !row.hidden).map(texts);
  const columns = texts(element.tHead.rows[0]);
  columns.forEach((_, at) => {
    const values = rows.map((row) => row[at]).filter((text) => text !== "-" && text !== "");
    if (!values.length || !values.every((text) => /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text) && text.length < 16)) return;
    for (const row of rows) row[at] = row[at] === "-" || row[at] === "" ? null : Number(row[at]);
  });
  return { columns, rows };
}

const tableOfRecords = (records) => {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return { columns, rows: records.map((record) => columns.map((name) => record[name] ?? null)) };
};
