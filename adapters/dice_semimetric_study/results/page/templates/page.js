"use strict";
// The page is readable without this program; it sorts, filters and opens cases.
(() => {
  const source = document.getElementById("data");
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const d of document.querySelectorAll("details.print-open:not([open])")) {
      d.open = true;
      opened.push(d);
    }
  });
  addEventListener("afterprint", () => { while (opened.length) opened.pop().open = false; });

  // A rater's outline is hidden and shown by its button, in the page and in the dialog.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-toggle]");
    if (!button) return;
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    const lines = button.closest("figure").querySelectorAll(`path[data-rater="${button.dataset.toggle}"]`);
    for (const line of lines) line.classList.toggle("off", !on);
  });
  const collator = new Intl.Collator("en", { numeric: true });
  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  // Sorting: what has no number comes last in both directions.
  function sort(table, column, down) {
    const heads = [...table.tHead.rows[0].cells];
    const text = heads[column].dataset.kind === "text";
    const sign = down ? -1 : 1;
    const keyed = [...table.tBodies[0].rows].map((row) => {
      const value = row.cells[column].textContent.trim();
      return [row, text ? value : parseFloat(value.replace(/^[<>]/, "")), Number(row.dataset.place)];
    });
    keyed.sort(([, x, i], [, y, j]) => {
      let order;
      if (text) order = sign * collator.compare(x, y);
      else if (Number.isNaN(x) || Number.isNaN(y)) order = Number.isNaN(x) - Number.isNaN(y);
      else order = sign * (x - y);
      return order || i - j;
    });
    table.tBodies[0].append(...keyed.map(([row]) => row));
    heads.forEach((head, i) => {
      head.setAttribute("aria-sort", i !== column ? "none" : down ? "descending" : "ascending");
    });
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tBodies[0].rows].forEach((row, i) => { row.dataset.place = i; });
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = element("button", head.firstChild.textContent.trim(), { type: "button" });
      button.addEventListener("click", () => sort(table, column, head.getAttribute("aria-sort") === "ascending"));
      head.firstChild.replaceWith(button); // the name of the intervals stays below
      head.setAttribute("aria-sort", "none");
    });
  }
  if (!source) return;

  const data = JSON.parse(source.textContent);
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const titles = heads.map((head) => head.textContent.trim());
  const rows = [...body.rows];
  const cells = new Map(rows.map((row) => [row, [...row.cells].map((cell) => cell.textContent)]));
  const index = new Map(rows.map((row, i) => [row, i]));

  // Filtering.
  const find = document.getElementById("find");
  const which = document.getElementById("which");
  const count = document.getElementById("count");
  function filter() {
    const wanted = find.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const [name, task] = cells.get(row);
      row.hidden = !name.toLowerCase().includes(wanted) || Boolean(which?.value && which.value !== task);
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} shown`;
  }
  find.addEventListener("input", filter);
  which?.addEventListener("change", filter);
  document.querySelector(".tools").hidden = false;
  filter();

  // Columns: one group of scores at a time.
  const columns = document.getElementById("columns");
  function choose() {
    const hidden = heads.map((head) => "group" in head.dataset && head.dataset.group !== columns.value);
    for (const row of [table.tHead.rows[0], ...rows]) {
      [...row.cells].forEach((cell, i) => { cell.hidden = hidden[i]; });
    }
  }
  columns.addEventListener("change", choose);
  choose();

  // A case and its figures.
  const dialog = document.getElementById("dialog");
  const content = document.getElementById("dialog-body");
  let current = null;
  function grid(head, lines, label) {
    const box = element("div", undefined, { class: "scroll", tabindex: "0", role: "region", "aria-label": label });
    const made = box.appendChild(element("table"));
    const top = made.appendChild(element("thead")).appendChild(element("tr"));
    top.append(...head.map((text) => element("th", text, { scope: "col" })));
    const rest = made.appendChild(element("tbody"));
    for (const line of lines) {
      const row = rest.appendChild(element("tr"));
      row.append(...line.map((text, i) => (i ? element("td", text) : element("th", text, { scope: "row" }))));
    }
    return box;
  }
  function digits(value) {
    return value === null ? "–" : value.toFixed(4);
  }
  function place([low, high, start, end], value) {
    return (start + ((value - low) / (high - low)) * (end - start)).toFixed(1);
  }
  function curve(name, task, values) {
    const original = [...document.querySelectorAll("svg[data-chart]")].find((s) => s.dataset.chart === task);
    const figure = element("figure", undefined, { class: "chart" });
    const svg = original.cloneNode(true);
    const [x, y] = [svg.dataset.x, svg.dataset.y].map((text) => text.split(" ").map(Number));
    let path = "";
    let pen = "M";
    values.forEach((value, i) => {
      path += value === null ? "" : `${pen}${place(x, data.thresholds[i])} ${place(y, value)}`;
      pen = value === null ? "M" : "L";
    });
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("class", "one");
    line.setAttribute("d", path);
    svg.querySelector("path.cases").remove();
    svg.append(line);
    const text = values.map((v, i) => `${digits(v)} at ${data.thresholds[i]}`).join(", ");
    svg.setAttribute("aria-label", `${name}: Dice at each threshold: ${text}.`);
    const caption = element("figcaption", "Dice at each threshold. ");
    for (const [key, text] of [["one", "this case"], ["mean", "mean"], ["band", "middle half"]]) {
      const item = caption.appendChild(element("span", undefined, { class: "item" }));
      item.append(element("span", undefined, { class: `key ${key}` }), ` ${text}`);
    }
    figure.append(caption, svg);
    return figure;
  }
  function show(row) {
    current = row;
    const values = cells.get(row);
    const [name, task] = values;
    const one = data.cases[index.get(row)];
    document.getElementById("dialog-title").textContent = data.several ? `${name} · ${task}` : name;
    const left = element("div");
    left.append(grid(["Score", "Value"], titles.slice(2).map((t, i) => [t, values[i + 2]]), "Scores"));
    if (one.raters.length) {
      const lines = one.raters.map(([rater, ...scores]) => [data.raters[rater], ...scores.map(digits)]);
      left.append(element("h3", "Against each rater alone"), grid(["Rater", "Dice", "BDice", "ECE, marked pixels", "Rater to the others: Dice"], lines, "Raters"));
    }
    const two = element("div", undefined, { class: "two" });
    two.append(left, curve(name, task, one.curve));
    content.replaceChildren(two);
    const pictures = row.dataset.shown && document.querySelector(`main [data-example="${row.dataset.shown}"]`);
    if (pictures) {
      content.append(element("h3", `Pictures: the ${pictures.querySelector(".rank").textContent} case`));
      const copy = pictures.cloneNode(true);
      copy.removeAttribute("id");
      for (const named of copy.querySelectorAll("[id]")) named.removeAttribute("id");
      content.append(copy);
    } else {
      content.append(element("p", "No picture: --pictures all draws all.", { class: "note" }));
    }
    dialog.scrollTop = 0;
  }
  function visible() {
    return [...body.rows].filter((row) => !row.hidden && row.querySelector("th button"));
  }
  function step(by) {
    const all = visible();
    const next = all[all.indexOf(current) + by];
    if (next) show(next);
  }
  for (const row of rows) {
    if ("fault" in row.dataset) continue;
    const name = row.cells[0];
    const button = element("button", name.textContent, { type: "button", "aria-haspopup": "dialog" });
    name.replaceChildren(button);
  }
  body.addEventListener("click", (event) => {
    const button = event.target.closest("th button");
    if (!button) return;
    show(button.closest("tr"));
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest(".bar button");
    if (event.target === dialog || (button && "close" in button.dataset)) dialog.close();
    else if (button) step(Number(button.dataset.step));
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest(".scroll, input")) return;
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
  });
  dialog.addEventListener("close", () => {
    content.replaceChildren();
    current?.querySelector("th button").focus();
  });
})();
