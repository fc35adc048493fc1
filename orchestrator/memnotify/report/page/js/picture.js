// Vega is expanded when the first picture is shown. The policy allows it by its hash.
let vega = null;

function withVega() {
  vega ??= expanded(byId("data-vega").textContent).then((text) => {
    const script = document.createElement("script");
    script.textContent = text;
    document.head.append(script);
  });
  return vega;
}

async function drawPicture(place, picture, name) {
  const spec = unpacked(picture.spec);
  const holder = el("div", { class: "picture", role: "img", "aria-label": picture.alt, tabindex: "0" }, "drawing …");
  const brush = brushOf(spec);
  let view = null;
  const draw = async () => {
    await withVega();
    const made = document.createElement("div");
    const done = await drawVega(made, fitted(spec, holder.clientWidth), DRAWN);
    view?.finalize();
    view = done.view;
    if (brush) view.addSignalListener("zoom", (_, span) => told(span));
    // The holder has the text alternative; Vega gives each of a thousand marks a role.
    made.querySelector("svg").setAttribute("aria-hidden", "true");
    holder.replaceChildren(made);
  };
  const bar = brush ? zoomBar(brush, draw) : null;
  // What is dragged over shows in the two times too, and stays when the picture is drawn again.
  const told = (span) => {
    const found = span && Object.values(span)[0];
    bar.follow(Array.isArray(found) ? found : bar.whole);
  };
  place.replaceChildren(el("figure", {}, bar?.element ?? null, holder,
    el("figcaption", {}, el("strong", {}, picture.title), el("br"), picture.subtitle, picture.caption.map((line) => el("div", {}, line)),
      savesSvg(name, () => view.toSVG())),
    el("details", {}, el("summary", {}, "The picture in words"), el("p", { class: "note" }, picture.alt))));
  await draw();
  watchWidth(holder);
  onWidth(holder, draw);
}

// The same as dragging over the strip below the panels, for keyboards.
function zoomBar(brush, draw) {
  const whole = [...brush.value.x];
  const field = (label, at) => {
    const input = el("input", { type: "number", min: String(whole[0]), max: String(whole[1]), step: "any", value: shown(whole[at]) });
    input.addEventListener("change", () => show(Number(from.value), Number(to.value)));
    return [el("label", {}, label, input), input];
  };
  const [fromLabel, from] = field("from, s", 0);
  const [toLabel, to] = field("to, s", 1);
  const show = (a, b) => {
    const least = (whole[1] - whole[0]) / 10000;
    const low = Math.max(whole[0], Math.min(a, whole[1] - least));
    brush.value.x = [low, Math.min(whole[1], Math.max(b, low + least))];
    [from.value, to.value] = brush.value.x.map((value) => String(Number(value.toFixed(3))));
    say(`showing ${from.value} to ${to.value} seconds`);
    return draw();
  };
  const press = (text, label, change) => el("button", { type: "button", "aria-label": label, onclick: () => {
    const [a, b] = brush.value.x;
    return show(...change(a, b, (b - a) / 4));
  } }, text);
  const follow = ([a, b]) => {
    brush.value.x = [Math.min(a, b), Math.max(a, b)];
    [from.value, to.value] = brush.value.x.map((value) => String(Number(value.toFixed(3))));
  };
  const element = el("div", { class: "bar", role: "group", "aria-label": "Zoom" }, fromLabel, toLabel,
    press("+", "zoom in", (a, b, part) => [a + part, b - part]), press("−", "zoom out", (a, b, part) => [a - part * 2, b + part * 2]),
    press("◀", "earlier", (a, b, part) => a - part < whole[0] ? [whole[0], whole[0] + b - a] : [a - part, b - part]),
    press("▶", "later", (a, b, part) => b + part > whole[1] ? [whole[1] - (b - a), whole[1]] : [a + part, b + part]),
    press("whole", "show the whole run", () => whole), el("span", { class: "note" }, "or drag over the strip below the panels"));
  return { element, follow, whole };
}
