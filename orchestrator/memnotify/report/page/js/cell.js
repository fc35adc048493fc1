// The view of one cell. It takes the place of the overview; Back returns.
let scrolledTo = 0;

async function showCell(id) {
  const place = byId("cell"), cell = DATA.cells.find((one) => one.id === id);
  const data = byId(`data-${id}`) ? await block(id) : cell;
  if (!byId("overview").hidden) scrolledTo = window.scrollY;
  place.replaceChildren(...(data === cell ? outlineParts(cell) : cellParts(cell, data)));
  byId("overview").hidden = true;
  place.hidden = false;
  document.querySelector(".parts").hidden = true;
  document.body.classList.add("one-cell");
  document.title = `${cell.name}: ${data.outcome}`;
  window.scrollTo(0, 0);
  const top = byId("cell-title");
  top.focus({ preventScroll: true });
  top.scrollIntoView();
  if (data.picture) {
    await drawPicture(byId("timeline"), data.picture, `${cell.name}-timeline`).catch((error) => {
      byId("timeline").replaceChildren(el("p", { class: "note" }, `The picture cannot be drawn: ${error.message}`));
    });
  }
}

function showOverview(target) {
  const back = byId("overview").hidden;
  byId("overview").hidden = false;
  byId("cell").hidden = true;
  byId("cell").replaceChildren();
  document.querySelector(".parts").hidden = false;
  document.body.classList.remove("one-cell");
  document.title = DATA.title;
  if (!back) return;
  if (target && byId(target)) byId(target).scrollIntoView();
  else window.scrollTo(0, scrolledTo);
}

// Of a large run, each cell that ran has at least an outline.
const hasView = (cell) => DATA.large ? cell.status !== "skipped" : byId(`data-${cell.id}`);

function steps(cell) {
  const order = DATA.cells.filter(hasView);
  const at = order.indexOf(cell);
  const link = (one, text) => one ? el("a", { href: `#${one.id}` }, text) : null;
  return el("nav", { class: "steps", "aria-label": "Cells" }, el("a", { href: "#cells" }, "← all cells"),
    link(order[at - 1], "previous cell"), link(order[at + 1], "next cell"), el("span", { class: "note" }, `${at + 1} of ${order.length}`));
}

function outlineParts(cell) {
  const { id, name, outcome, detail, status, text, shown: ignored, ...known } = cell;
  return [steps(cell), el("h2", { id: "cell-title", tabindex: "-1" }, name),
    el("p", {}, el("span", { class: `badge ${status}` }, outcome), detail ? ` ${detail}` : null),
    el("p", { class: "note" }, "This run is too large for a page with the timeline, the console and the promises of each cell; memnotify show and check have them."),
    ...commandsFor(cell),
    el("h3", {}, "Setting and figures"), pairs(Object.entries(known).map(([key, of]) => [worded(key), shown(of), { title: key }])),
    ...filesOf(cell, { files: [""] })];
}

function cellParts(cell, data) {
  const broken = data.promises.filter((one) => one.broken);
  return [
    steps(cell),
    el("h2", { id: "cell-title", tabindex: "-1" }, data.name),
    el("p", {}, el("span", { class: `badge ${data.status}` }, data.outcome), " ",
      broken.length ? el("span", { class: "badge broken" }, `broken: ${broken.map((one) => one.invariant).join(", ")}`) : null,
      data.detail ? ` ${data.detail}` : null),
    el("div", { id: "timeline" }, data.picture ? null : el("p", { class: "note" }, noPicture())),
    ...findings(cell, data), ...promises(cell, data), ...commandsFor(cell), ...figuresOf(data), ...eventsOf(data),
    ...consoleOf(data), ...filesOf(cell, data), ...originOf(data)];
}

function noPicture() {
  const how = byId("app").dataset.how;
  return how ? `To have timelines in a report, install what draws them and write it again: ${how}` : "This cell left no log with samples, so there is no timeline.";
}

function commandLine(label, text) {
  const button = el("button", { type: "button", "aria-label": `copy: ${label}`, onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("copied");
      button.textContent = "copied";
    } catch {
      window.getSelection().selectAllChildren(code);
      say("selected; copy it with the keyboard");
    }
  } }, "copy");
  const code = el("code", {}, text);
  return el("div", { class: "command" }, el("div", {}, el("span", {}, label), code), button);
}

const commandOf = (label, cell, record) => DATA.commands[label].replace("CELL", cell.id).replace(/N$/, String(record));
const AT = "debug it where record N is written";

function findings(cell, data) {
  if (!data.evidence.length) return [];
  return [el("h3", {}, "Evidence of the finding"),
    el("ul", { class: "evidence" }, data.evidence.map(([, line]) => el("li", {}, el("code", {}, line)))),
    commandLine("debug it at the first of these records", commandOf(AT, cell, data.evidence[0][0]))];
}

function promises(cell, data) {
  if (data.no_promises) return [el("h3", {}, "Promises"), el("p", { class: "note" }, "This series has no promises on file.")];
  if (!data.promises.length) return [];
  const rows = data.promises.map((one) => [one.invariant, one.tested, one.broken, one.verdict]);
  const broken = data.promises.filter((one) => one.broken).flatMap((one) => [
    el("h4", {}, `${one.invariant}: broken ${one.broken} ${one.broken === 1 ? "time" : "times"}`),
    el("ul", { class: "evidence" }, one.breaks.map(([, text]) => el("li", {}, text)),
      one.broken > one.breaks.length ? el("li", {}, `and ${one.broken - one.breaks.length} more`) : null),
    commandLine("debug it where the first is written", commandOf(AT, cell, one.breaks[0][0]))]);
  return [el("h3", {}, "Promises"), ...broken,
    scrolled("Promises", tableFrom("promises", ["promise", "times exercised", "broken", "verdict"], rows)),
    saves(`${cell.id}-promises`, () => ({ columns: ["promise", "tested", "broken", "verdict"], rows }))];
}

function commandsFor(cell) {
  return [el("h3", {}, "Look closer"),
    ...Object.keys(DATA.commands).filter((label) => label !== AT).map((label) => commandLine(label, commandOf(label, cell)))];
}

const pairs = (all) => el("dl", { class: "pairs" }, all.map(([name, value, more]) =>
  el("div", {}, el("dt", {}, name), el("dd", more ?? {}, value))));

function figuresOf(data) {
  const value = ([name, , unit, of]) => `${shown(of)}${unit && of !== null ? ` ${unit}` : ""}`;
  const rows = () => data.figures.map(([name, , , of]) => [name, of]);
  return [el("h3", {}, "Setting"), pairs(data.setting.map(([name, of]) => [name, shown(of)])),
    el("h3", {}, "Figures"), pairs(data.figures.map((one) => [one[1], value(one), { title: one[0] }])),
    saves(`${data.id}-figures`, () => ({ columns: ["figure", "value"], rows: rows().map(([name, of]) => [name, of === null ? "" : String(of)]) }))];
}

function eventsOf(data) {
  if (!data.events.length) return [];
  const rows = data.events.map(([t, event, text]) => [t.toFixed(3), event, text]);
  return [el("h3", {}, "What happened"), el("details", { open: data.events.length < 60 },
    el("summary", {}, `${data.events.length + data.more_events} events`),
    scrolled("Events", tableFrom("events", ["guest s", "event", "what"], rows)),
    data.more_events ? el("p", { class: "note" }, `and ${data.more_events} more: see memnotify show`) : null),
  saves(`${data.id}-events`, () => ({ columns: ["t", "event", "text"], rows: data.events }))];
}

function consoleOf(data) {
  const text = data.console;
  if (!text) return [el("h3", {}, "Console"), el("p", { class: "note" }, "The guest's kernel printed nothing.")];
  return [el("h3", {}, "Console"),
    data.console_before ? el("p", { class: "note" }, `The end; ${data.console_before} bytes before it are in console.log.`) : null,
    el("div", { class: "scroll console", role: "region", "aria-label": "Console", tabindex: "0" }, el("pre", {}, text))].filter(Boolean);
}

function filesOf(cell, data) {
  const folder = `${DATA.files}/${cell.id}`.split("/").map(encodeURIComponent).join("/");
  return [el("h3", {}, "Files"), el("p", { class: "note" }, "Links work where the report is beside its run, as it was written."),
    el("ul", { class: "files" }, data.files.map((name) => el("li", {}, el("a", { href: `${folder}/${encodeURIComponent(name)}` }, name || "its folder"))))];
}

const renamed = (values, what) => Object.entries(values).map(([name, of]) => [`${name} ${what}`, of]);

function originOf(data) {
  const { digests, versions, patches, command, attempts, ...rest } = data.origin;
  const known = [...Object.entries(rest), ...renamed(versions, "version"), ...renamed(digests, "digest")].filter(([, value]) => value !== null && value !== "");
  return [el("h3", {}, "Provenance"),
    pairs(known.map(([name, value]) => [worded(name), clipped(String(value), 24), { title: String(value) }])),
    patches.length ? el("details", {}, el("summary", {}, `${patches.length} patches`), el("ul", {}, patches.map((name) => el("li", {}, name)))) : null,
    attempts.length > 1 ? el("details", {}, el("summary", {}, `${attempts.length} attempts`), el("ul", {}, attempts.map((one) => el("li", {}, `${one.outcome} ${one.reason} (${one.wall_seconds} s)`)))) : null,
    el("details", {}, el("summary", {}, "QEMU's command line"), el("pre", {}, command.join("\n")))].filter(Boolean);
}
