// The page from top to bottom. Every section that has nothing to say stays hidden.
"use strict";

const SEVERITIES = ["high", "medium", "low", "info"];

function head(why, heap) {
  const target = why.target;
  const name = target.exe.split("/").pop() || target.exe;
  const parts = [target.exe, target.go_version + (target.stripped ? ", stripped" : "")];
  if (target.pid) parts.push("pid " + target.pid);
  if (target.uptime_ns) parts.push("up " + age(target.uptime_ns));
  if (target.container && target.container.pod) parts.push(target.container.pod);
  const totals = el("dl", "totals");
  const total = (name, value) => totals.append(el("div", "", el("dt", "", name), el("dd", "", value)));
  if (why.rss) total("resident", bytes(why.rss.bytes));
  else if (why.virtual) total("from the kernel", bytes(why.virtual.bytes));
  total("reachable heap", bytes(heap.totals.reachable.slot_bytes));
  total("objects", count(heap.totals.objects.count));
  if (why.runtime.goroutines) total("its goroutines", count(why.runtime.goroutines));
  const title = el("div", "", el("p", "eyebrow", "letgo heap, " + why.taken.at.replace("T", " ").replace("Z", " UTC")), el("h1", "", name), el("p", "of", parts.join("  ·  ")));
  byId("head").append(el("div", "masthead", title, totals));
}

function findings(list) {
  if (list.length === 0) return;
  byId("findings").hidden = false;
  list.forEach((finding, index) => byId("finding-list").append(oneFinding(finding, index === 0)));
}

function oneFinding(finding, open) {
  const severity = SEVERITIES.includes(finding.severity) ? finding.severity : "info";
  const size = finding.bytes > 0 ? bytes(finding.bytes) : "";
  const body = el("div", "body");
  if (finding.holder) body.append(el("p", "", "held by ", el("span", "mono", finding.holder)));
  if (finding.location) {
    const { function: name, file, line } = finding.location;
    body.append(el("p", "mono", name + "  " + file + ":" + line));
  }
  for (const text of finding.evidence) body.append(el("p", "", text));
  if (finding.remedies.length > 0) {
    const remedies = el("dl", "remedies");
    for (const remedy of finding.remedies) {
      const expect = remedy.expect ? el("span", "", "  " + remedy.expect) : null;
      remedies.append(el("dt", "", remedy.what), el("dd", "", el("code", "", remedy.command), expect));
    }
    body.append(remedies);
  }
  const sure = "confidence: " + finding.confidence;
  const summary = el("summary", "", el("span", "severity " + severity, finding.severity), el("span", "title", finding.title), el("span", "num", size));
  summary.title = harmless(sure);
  const made = el("details", "finding", summary, body);
  made.open = open;
  return made;
}

// Owners with what they have: resident bytes, or of a core what the runtime had.
function leavesOf(why) {
  const tree = why.rss ? why.rss.tree : why.virtual ? why.virtual.tree : [];
  const size = (node) => (why.rss ? node.resident_bytes : node.virtual_bytes);
  const leaves = [];
  const walk = (node) => {
    if (node.children.length === 0) leaves.push({ id: node.id, label: node.label, hint: node.hint, bytes: size(node) });
    node.children.forEach(walk);
  };
  tree.forEach(walk);
  return leaves;
}

function memory(why, space) {
  const leaves = leavesOf(why);
  const sum = leaves.reduce((sum, leaf) => sum + leaf.bytes, 0);
  if (sum === 0) return;
  byId("memory").hidden = false;
  const pages = why.rss ? bytes(why.rss.bytes) + " resident, " + counted(why.rss.os_pages, "page") + " of 4 KiB, each with its owner." : "What the Go runtime had of the kernel. A core file does not say what of it was in RAM.";
  byId("memory-lead").textContent = pages;
  const labels = new Map(leaves.map((leaf) => [leaf.id, leaf.label]));
  let light = () => {};
  if (space && space.regions.some((region) => region.segments.length > 0)) {
    byId("space").hidden = false;
    light = drawSpace(space, labels);
  }
  const swatches = [];
  const swatch = (id) => {
    const made = el("span", "swatch");
    swatches.push([made, id]);
    return made;
  };
  const sorted = leaves.filter((leaf) => leaf.bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const large = (leaf, index) => leaf.bytes / sum >= 0.004 || index < 6 || leaf.id === "unattributed";
  const shown = sorted.filter(large);
  const small = sorted.filter((leaf, index) => !large(leaf, index));
  for (const leaf of leaves.filter((leaf) => leaf.bytes / sum > 0.002)) {
    const part = el("i", "");
    part.style.width = (leaf.bytes / sum) * 100 + "%";
    swatches.push([part, leaf.id]);
    byId("bar").append(part);
  }
  const rows = shown.map((leaf) => ({
    classes: leaf.bytes / sum < 0.01 ? "small" : "",
    cells: [ownerCell(swatch(leaf.id), leaf), bytes(leaf.bytes), percent(leaf.bytes, sum)],
    each: (line) => {
      line.addEventListener("pointerenter", () => light(leaf.id));
      line.addEventListener("pointerleave", () => light(null));
    },
  }));
  if (small.length > 0) {
    const together = small.reduce((sum, leaf) => sum + leaf.bytes, 0);
    const cell = el("span", "", counted(small.length, "smaller owner"));
    cell.title = small.map((leaf) => leaf.label + " " + bytes(leaf.bytes)).join("\n");
    rows.push({ classes: "small", cells: [cell, bytes(together), percent(together, sum)] });
  }
  fill(byId("leaves"), ["owner", "bytes", "share"], [1, 2], rows);
  const paint = () => swatches.forEach(([made, id]) => { made.style.background = colour(id); });
  paint();
  darkness.addEventListener("change", paint);
}

function ownerCell(swatch, leaf) {
  const cell = el("span", "", swatch, leaf.label);
  if (leaf.hint) cell.append(el("span", "sub", "  " + leaf.hint));
  return cell;
}

// Opens what stands out at a place of the list.
function showFinding(index) {
  const finding = byId("finding-list").children[index];
  finding.open = true;
  finding.scrollIntoView({ block: "center" });
  finding.querySelector("summary").focus({ preventScroll: true });
}

function holders(tree, report) {
  if (!tree || !tree.in || tree.in.length === 0) return;
  byId("holders").hidden = false;
  byId("holders-lead").textContent = "An area is what the next GC would free if nothing led to its holder any more. Colours tell what leads to it: a variable, goroutines, or several roots together.";
  search(new Tiles(tree), report);
}

// Lines of types, by their place in the report.
const typeLines = [];

function types(heap) {
  const list = heap.types || [];
  if (list.length === 0) return;
  byId("types").hidden = false;
  const whole = heap.totals.reachable.slot_bytes;
  const large = (type, index) => index < 10 || (index < 30 && type.objects.slot_bytes / Math.max(whole, 1) >= 0.002);
  const line = (name, objects, rest) => ({
    size: objects.slot_bytes,
    cells: [name, count(objects.count), bytes(objects.slot_bytes), percent(objects.slot_bytes, whole)],
    ...rest,
  });
  const rows = list.map((type, index) => line(el("span", "mono", type.name), type.objects, {
    each: (made) => {
      made.hidden = !large(type, index);
      typeLines[index] = made;
    },
  }));
  const untyped = heap.untyped || { count: 0, slot_bytes: 0 };
  if (untyped.count > 0) {
    const before = rows.findIndex((row) => row.size < untyped.slot_bytes);
    rows.splice(before < 0 ? rows.length : before, 0, line("of no known type", untyped, { classes: "small" }));
  }
  const small = list.filter((type, index) => !large(type, index));
  const beyond = heap.types_rest || { count: 0, objects: { count: 0, slot_bytes: 0 } };
  const sum = small.reduce((sum, type) => ({
    count: sum.count + type.objects.count,
    slot_bytes: sum.slot_bytes + type.objects.slot_bytes,
  }), beyond.objects);
  if (small.length > 0) rows.push(line(moreTypes(small.length + beyond.count), sum, { classes: "small more" }));
  if (beyond.count > 0) {
    const each = (made) => { made.hidden = small.length > 0; };
    rows.push(line(counted(beyond.count, "more type"), beyond.objects, { classes: "small beyond", each }));
  }
  fill(byId("type-table"), ["type", "objects", "bytes", "share"], [1, 2, 3], rows);
}

function moreTypes(number) {
  const more = el("button", "link", counted(number, "more type"));
  more.type = "button";
  more.title = "Show them";
  more.addEventListener("click", () => {
    const first = typeLines.find((line) => line.hidden);
    allTypes();
    lightType(first);
  });
  return more;
}

function allTypes() {
  for (const line of byId("type-table").querySelectorAll("tr")) line.hidden = line.classList.contains("more");
}

function lightType(line) {
  for (const each of typeLines) each.classList.toggle("lit", each === line);
  line.scrollIntoView({ block: "center" });
}

// Lights a type's line, whether it was hidden or not.
function showType(index) {
  if (typeLines[index].hidden) allTypes();
  lightType(typeLines[index]);
}

function classes(heap) {
  const list = heap.size_classes.slice(0, 20);
  if (list.length === 0) return;
  byId("classes").hidden = false;
  const parts = (each) => [["heap.reachable", each.reachable], ["heap.garbage", each.garbage], ["heap.free_slots", each.free_slots]];
  const meters = [];
  const meter = (each) => {
    const made = el("span", "meter");
    for (const [id, amount] of parts(each)) {
      const part = el("i", "");
      part.style.width = (amount.slot_bytes / Math.max(each.spans.slot_bytes, 1)) * 100 + "%";
      meters.push([part, id]);
      made.append(part);
    }
    return made;
  };
  const rows = list.map((each) => ({
    cells: [
      each.slot_bytes === 0 ? "large" : count(each.slot_bytes) + " B", count(each.spans.count), bytes(each.spans.slot_bytes), meter(each),
      bytes(each.reachable.slot_bytes), bytes(each.garbage.slot_bytes), bytes(each.free_slots.slot_bytes),
    ],
  }));
  fill(byId("class-table"), ["slot", "spans", "bytes", "use", "reachable", "garbage", "free"], [0, 1, 2, 4, 5, 6], rows);
  const paint = () => meters.forEach(([made, id]) => { made.style.background = colour(id); });
  paint();
  darkness.addEventListener("change", paint);
}

function foot(why) {
  const taken = why.taken;
  const coverage = taken.coverage;
  const pause = taken.pause_ns_max > 0 ? "the program stood still for " + time(taken.pause_ns_max) + " at most" : "the program was not paused";
  const lines = ["Read by letgo " + why.letgo.version + " (" + taken.method + "), in " + time(taken.wall_ns) + "; " + pause + "."];
  if (taken.note) lines.push(taken.note);
  if (coverage.complete) lines.push("Nothing was left out.");
  for (const skip of coverage.skipped) lines.push("Not whole: " + skip.what + ": " + skip.why + " (" + skip.count + ")");
  if (coverage.skipped_more) lines.push("And " + count(coverage.skipped_more) + " more that were left out.");
  lines.push("This file is complete in itself: it loads nothing and sends nothing.");
  for (const text of lines) byId("foot").append(el("p", "", text));
}

head(data.why, data.heap);
findings(data.why.findings);
memory(data.why, data.space);
holders(data.tree, data);
types(data.heap);
classes(data.heap);
foot(data.why);
