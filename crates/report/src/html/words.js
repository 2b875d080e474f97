// Figures and names as a person reads them, and elements made of text alone: nothing that comes
// from a target is ever parsed as markup.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

// Three significant digits in binary units, as on a terminal.
function bytes(number) {
  let value = number;
  let unit = 0;
  while (value >= (unit === 0 ? 1024 : 999.5) && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const places = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return value.toFixed(places) + "\u00a0" + UNITS[unit];
}

function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

function counted(number, noun) {
  return count(number) + " " + noun + (number === 1 ? "" : "s");
}

function percent(part, whole) {
  if (part <= 0 || whole <= 0) return "0\u00a0%";
  const share = (part / whole) * 100;
  return (share < 0.5 ? "<1" : Math.round(share)) + "\u00a0%";
}

function time(ns) {
  if (ns < 1e6) return Math.round(ns / 1e3) + " µs";
  if (ns < 5e8) return (ns / 1e6).toFixed(ns < 1e7 ? 1 : 0) + " ms";
  return (ns / 1e9).toFixed(2) + " s";
}

function age(ns) {
  const seconds = Math.floor(ns / 1e9);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days) return days + "d " + (hours % 24) + "h";
  if (hours) return hours + "h " + (minutes % 60) + "m";
  if (minutes) return minutes + "m " + (seconds % 60) + "s";
  return seconds + "s";
}

// What could mislead a reader is shown as an escape: control characters, and those that change the
// direction of writing.
function harmless(text) {
  const acts = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
  return String(text).replace(acts, (char) => "\\u{" + char.codePointAt(0).toString(16) + "}");
}

function el(tag, classes, ...inside) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  for (const each of inside) {
    if (each === null || each === undefined) continue;
    made.append(each instanceof Node ? each : harmless(each));
  }
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

// A table's rows; each cell is a node or text, those in `right` stand at the right edge.
function fill(table, heads, right, rows) {
  const cell = (tag, inside, column) => {
    const made = el(tag, right.includes(column) ? "num" : "", inside);
    if (tag === "th") made.scope = "col";
    return made;
  };
  const head = el("tr", "");
  heads.forEach((text, column) => head.append(cell("th", text, column)));
  const body = el("tbody", "");
  for (const row of rows) {
    const line = el("tr", row.classes || "");
    row.cells.forEach((inside, column) => line.append(cell("td", inside, column)));
    if (row.each) row.each(line);
    body.append(line);
  }
  table.append(el("thead", "", head), body);
}
