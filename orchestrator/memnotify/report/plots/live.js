// What the page of a picture and the report have in common: pictures that Vega draws in a browser.
// `ast`: expressions are interpreted, so that no script but the page's own has to be allowed.
// `logLevel`: errors, no warnings; a figure that no cell has is an empty panel.
const DRAWN = { actions: false, ast: true, defaultStyle: false, mode: "vega-lite", renderer: "svg", tooltip, logLevel: 1 };

function tooltip(handler, event, item, value) {
  const bubble = document.getElementById("bubble");
  bubble.hidden = value === null || value === undefined || value === "";
  if (bubble.hidden) return;
  // Text, never markup: what a guest wrote may stand in it.
  bubble.textContent = typeof value !== "object" ? String(value)
    : Object.entries(value).map(([name, of]) => `${name}: ${of}`).join("\n");
  const wide = document.documentElement.clientWidth;
  bubble.style.left = `${Math.max(0, Math.min(event.clientX + 12, wide - bubble.offsetWidth - 4))}px`;
  bubble.style.top = `${event.clientY + 12}px`;
}

// The brush of a timeline: the object in its description that says which span is shown.
function brushOf(spec) {
  if (spec === null || typeof spec !== "object") return null;
  const own = spec.params?.find?.((param) => param.name === "zoom");
  if (own) return own;
  for (const value of Object.values(spec)) {
    const found = brushOf(value);
    if (found) return found;
  }
  return null;
}

// A timeline is as wide as its place. Its panels are described `from` wide, and labels stand right
// of them. It is never narrower, because the labels above the panels have places for that width.
const AROUND = 160, WIDEST = 1500;

function fitted(spec, place) {
  const from = brushOf(spec) && spec.columns === 1 ? spec.concat[0].width : null;
  if (!from) return spec;
  const to = Math.max(from, Math.min(WIDEST, Math.floor(place) - AROUND));
  const moved = (value, name) => {
    if (Array.isArray(value)) return value.map((one) => moved(one, ""));
    if (value === null || typeof value !== "object") return name === "width" && value === from ? to : value;
    if ((name === "x" || name === "x2") && value.value >= from) return { ...value, value: value.value + to - from };
    return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, key === "values" ? of : moved(of, key)]));
  };
  return moved(spec, "");
}

// Calls `draw` when the width of an element has changed, but not while it is being changed.
function onWidth(element, draw) {
  let wide = element.clientWidth, timer = 0;
  new ResizeObserver(() => {
    if (Math.abs(element.clientWidth - wide) < 8) return;
    wide = element.clientWidth;
    clearTimeout(timer);
    timer = setTimeout(draw, 150);
  }).observe(element);
}

// Says of an element that it can be scrolled sideways: not every reader sees a bar for that.
const sideways = new ResizeObserver((all) => {
  for (const { target } of all) markSideways(target.parentElement?.closest(".scroll, .picture") ?? target);
});
const markSideways = (holder) => holder.classList.toggle("sideways", holder.scrollWidth > holder.clientWidth + 4);

function watchWidth(holder) {
  sideways.observe(holder);
  for (const inner of holder.children) sideways.observe(inner);
}
