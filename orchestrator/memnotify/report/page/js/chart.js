// Pictures that this script draws itself. Colours are those of light paper: the page replaces them
// on dark paper by their attributes, and a saved picture is as it was drawn.
const MARKS = ["M0,-4.5 4.5,0 0,4.5 -4.5,0Z", "M-4,-4H4V4H-4Z", "M0,-5 4.6,3.5H-4.6Z", "M-4.2,0A4.2,4.2 0 1 0 4.2,0A4.2,4.2 0 1 0 -4.2,0Z", "M0,5 4.6,-3.5H-4.6Z"];

const inked = (x, y, text, more = {}) =>
  svgEl("text", { x, y, "font-size": 11, fill: DATA.colours.ink, ...more }, text);

function drawing(width, height, title, children) {
  return svgEl("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`, "font-family": "sans-serif", "aria-hidden": "true" },
    svgEl("title", {}, title), children);
}

function ticks(low, high, about = 5) {
  const span = high - low || 1;
  const rough = span / about, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * power).find((by) => by >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

function bounds(values) {
  const low = Math.min(0, least(values)), high = Math.max(greatest(values), low + 1e-9);
  const marks = ticks(low, high);
  return [low, Math.max(high, marks.at(-1))];
}

const colourOf = (at) => DATA.colours.curves[at % DATA.colours.curves.length];

function mark(at, x, y, properties = {}) {
  return svgEl("path", { d: MARKS[at % MARKS.length], transform: `translate(${x},${y})`, fill: colourOf(at), ...properties });
}

function axisX(low, high, left, width, y, top, title) {
  const place = (value) => left + ((value - low) / (high - low)) * width;
  return ticks(low, high).flatMap((value) => [
    svgEl("line", { x1: place(value), x2: place(value), y1: top, y2: y, stroke: DATA.colours.grid }),
    inked(place(value), y + 15, shown(value), { "text-anchor": "middle", fill: DATA.colours.soft })])
    .concat(inked(left, y + 31, title));
}

const figureOf = (alt, svg, name) => el("figure", {},
  el("div", { class: "picture", role: "img", "aria-label": alt, tabindex: "0" }, svg),
  el("figcaption", {}, alt, savesSvg(name, () => new XMLSerializer().serializeToString(svg))));
