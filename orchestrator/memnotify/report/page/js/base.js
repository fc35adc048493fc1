"use strict";
// Texts of guests only ever become text nodes and attributes, never markup.
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const el = (tag, properties = {}, ...children) => filled(document.createElement(tag), properties, children);
const svgEl = (tag, properties = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), properties, children);

const say = (text) => { byId("said").textContent = text; };

// A name of a file or an axis as people read it.
const worded = (name) => Object.hasOwn(DATA.words, name) ? DATA.words[name] : name.replaceAll("_", " ");

function shown(value) {
  if (value === null || value === undefined || value === "") return "-";
  if (typeof value === "number") {
    const whole = Number.isInteger(value) || Math.abs(value) >= 100;
    return whole ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// A figure of a column of decimals; a whole one has a decimal as well. page.py writes the same into the markup.
const decimal = (value) => value.toFixed(Math.abs(value) < 100 ? 1 : 0);

// Not Math.min(...values): a large run has more values than a call may have arguments.
const least = (values) => values.reduce((low, value) => Math.min(low, value), Infinity);
const greatest = (values) => values.reduce((high, value) => Math.max(high, value), -Infinity);

function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

function chooser(label, options, chosen, change) {
  const select = el("select", {});
  for (const [value, text] of options) {
    select.append(el("option", { value, selected: value === chosen }, text));
  }
  select.addEventListener("change", () => change(select.value));
  return el("label", {}, label, select);
}
