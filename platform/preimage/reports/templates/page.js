"use strict";
const SVG = "http://www.w3.org/2000/svg";

function text(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return size >= 1e4 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
}

function nearest(points, x) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < x) low = middle; else high = middle;
  }
  return Math.abs(points[low][0] - x) <= Math.abs(points[high][0] - x) ? points[low] : points[high];
}

function follow(chart) {
  const data = JSON.parse(chart.querySelector("script").textContent);
  const svg = chart.querySelector("svg"), cross = chart.querySelector(".cross"), line = cross.firstElementChild;
  const readout = chart.querySelector(".readout"), said = readout.textContent;
  const values = [...chart.querySelectorAll("output")], along = chart.querySelector(".along").textContent;
  const [left, top, width, height] = data.box;
  const curves = data.curves.map(each => [...each.points].sort((a, b) => a[0] - b[0]));
  const every = [...new Set(curves.flat().map(point => point[0]))].sort((a, b) => a - b);
  const dots = curves.map((_, number) => {
    const dot = document.createElementNS(SVG, "circle");
    dot.setAttribute("class", "c" + number);
    dot.setAttribute("r", 4.5);
    cross.append(dot);
    return dot;
  });
  const across = x => left + (x - data.x[0]) / (data.x[1] - data.x[0]) * width;
  const logs = chart.querySelector("input");
  let at = null;

  function up(y) {
    const isLog = logs !== null && logs.checked;
    const [low, high] = data.scales[isLog ? "log" : "linear"];
    return top + height - ((isLog ? Math.log10(y) : y) - low) / (high - low) * height;
  }
  function show(place) {
    at = Math.max(0, Math.min(every.length - 1, place));
    const x = every[at];
    line.setAttribute("d", `M${across(x)} ${top}v${height}`);
    curves.forEach((points, number) => {
      const [px, py] = nearest(points, x);
      dots[number].setAttribute("cx", across(px));
      dots[number].setAttribute("cy", up(py));
      values[number].textContent = text(py);
    });
    readout.textContent = `at ${text(x)} ${along}`;
    cross.removeAttribute("visibility");
  }
  function hide() {
    at = null;
    cross.setAttribute("visibility", "hidden");
    values.forEach(each => { each.textContent = ""; });
    readout.textContent = said;
  }
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), [, , wide] = svg.getAttribute("viewBox").split(" ").map(Number);
    const pixel = (event.clientX - box.left) / box.width * wide;
    const x = data.x[0] + (pixel - left) / width * (data.x[1] - data.x[0]);
    show(every.indexOf(nearest(every.map(each => [each]), x)[0]));
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(at === null ? (step > 0 ? 0 : every.length - 1) : at + step);
  });
  if (logs) logs.addEventListener("change", hide);
  hide();
}

function sortable(table) {
  const heads = [...table.querySelectorAll("th")], body = table.tBodies[0];
  const number = cell => {
    const found = cell.textContent.trim().replace(/,/g, "").match(/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?/i);
    return found ? Number(found[0]) : NaN;
  };
  function order(column) {
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    const key = row => row.cells[column] || document.createElement("td");
    const rows = [...body.rows].map(row => ({ row, value: number(key(row)), words: key(row).textContent }));
    rows.sort((a, b) => {
      const lacks = Number(Number.isNaN(a.value)) - Number(Number.isNaN(b.value));
      if (lacks) return lacks;
      const way = Number.isNaN(a.value) ? a.words.localeCompare(b.words) : a.value - b.value;
      return down ? -way : way;
    });
    heads.forEach(each => each.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows.map(each => each.row));
  }
  heads.forEach((head, column) => {
    head.tabIndex = 0;
    head.addEventListener("click", () => order(column));
    head.addEventListener("keydown", event => { if (event.key === "Enter") order(column); });
  });
}

document.querySelectorAll(".chart").forEach(follow);
document.querySelectorAll("table.sortable").forEach(sortable);
const large = document.getElementById("large");
document.querySelectorAll(".zoom").forEach(button => button.addEventListener("click", () => {
  const image = button.querySelector("img");
  large.querySelector("img").src = image.src;
  large.querySelector("p").textContent = image.alt;
  large.showModal();
}));
large.addEventListener("click", event => { if (event.target === large) large.close(); });
