// The interactive picture takes the place of the static one as soon as it can be drawn.
const holder = document.getElementById("picture");
const still = holder.firstElementChild;
const live = document.createElement("div");
const bubble = document.createElement("div");
bubble.id = "bubble";
bubble.hidden = true;
document.body.append(bubble);

function tooltip(handler, event, item, value) {
  bubble.hidden = value === null || value === undefined || value === "";
  if (bubble.hidden) return;
  // Text, never markup: what a guest wrote may stand in it.
  bubble.textContent = typeof value !== "object" ? String(value)
    : Object.entries(value).map(([name, of]) => `${name}: ${of}`).join("\n");
  const wide = document.documentElement.clientWidth;
  bubble.style.left = `${Math.max(0, Math.min(event.clientX + 12, wide - bubble.offsetWidth - 4))}px`;
  bubble.style.top = `${event.clientY + 12}px`;
}

const spec = JSON.parse(document.getElementById("spec").textContent);
// `ast`: expressions are interpreted, so that no script but this one has to be allowed.
// `logLevel`: errors, no warnings; a figure that no cell has is an empty panel.
vegaEmbed(live, spec, { actions: false, ast: true, defaultStyle: false, mode: "vega-lite", renderer: "svg", tooltip, logLevel: 1 })
  .then(() => still.replaceWith(live))
  .catch(() => {}); // the static picture stays
