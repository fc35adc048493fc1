let DATA = null;

// What follows # is a cell or a part of the overview.
async function follow() {
  const name = location.hash.slice(1);
  if (name && DATA.cells.some((cell) => cell.id === name && hasView(cell))) await showCell(name);
  else showOverview(name);
}

async function start() {
  DATA = await block("main");
  DATA.large = !Array.isArray(DATA.cells);
  if (DATA.large) DATA.cells = recorded(DATA.cells);
  DATA.title = document.title;
  for (const part of document.querySelectorAll(".live")) part.hidden = false;
  startFilters();
  startMatrix();
  startCompare();
  startTrend();
  for (const table of document.querySelectorAll("#overview table[data-table]")) {
    const name = table.dataset.table;
    if (["expected", "published", "runs", "origins"].includes(name)) table.parentElement.after(saves(name, () => tableOf(table)));
  }
  if (DATA.overlay && byId("overlay")) drawPicture(byId("overlay"), DATA.overlay, "published");
  window.addEventListener("hashchange", follow);
  await follow();
  for (const holder of document.querySelectorAll(".scroll")) watchWidth(holder);
  document.documentElement.dataset.ready = "yes";
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
