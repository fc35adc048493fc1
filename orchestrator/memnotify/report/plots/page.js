// The interactive picture takes the place of the static one as soon as it can be drawn.
const holder = document.getElementById("picture");
const still = holder.firstElementChild;
const live = document.createElement("div");
const spec = JSON.parse(document.getElementById("spec").textContent);
let view = null;

const draw = async () => {
  const made = document.createElement("div");
  const done = await vegaEmbed(made, fitted(spec, holder.clientWidth), DRAWN);
  view?.finalize();
  view = done.view;
  live.replaceChildren(made);
};
draw().then(() => {
  still.replaceWith(live);
  watchWidth(holder);
  onWidth(holder, draw);
}).catch(() => {}); // the static picture stays
