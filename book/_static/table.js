// Tables that a reader can sort and filter; on a phone each row becomes a block with its heads beside
// the cells. Without this script the tables are complete.
(() => {
  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  // What a cell is sorted by: its value, the number it begins with, or its text.
  function keyOf(row, column) {
    const cell = row.cells[column];
    if (!cell) return "";
    const text = cell.dataset.value ?? cell.innerText.trim();
    const number = /^-?\d[\d,]*(\.\d+)?/.exec(text);
    return number ? Number(number[0].replaceAll(",", "")) : text.toLowerCase();
  }

  function compare(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  const isRow = (row) => !row.matches(".heading, .why");

  // Each row with the notes below it.
  function entries(body) {
    const found = [];
    for (const row of body.rows) {
      if (isRow(row)) found.push([row]);
      else if (row.matches(".why") && found.length) found.at(-1).push(row);
    }
    return found;
  }

  function sorted(list, column, down) {
    return list.sort(([a], [b]) => compare(keyOf(a, column), keyOf(b, column)) * (down ? -1 : 1));
  }

  // Ascending, descending, as it was. With several bodies: within each, or all as one list, in which
  // their headings have no place.
  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    const bodies = [...table.tBodies];
    const before = bodies.map(entries);
    const within = table.dataset.sort === "within";

    function sort(column, order) {
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      if (order) heads[column].setAttribute("aria-sort", order);
      table.classList.toggle("sorted", Boolean(order) && !within);
      const down = order === "descending";
      if (order && !within) bodies[0].append(...sorted(before.flat(), column, down).flat());
      else
        bodies.forEach((body, i) => {
          const rows = order ? sorted([...before[i]], column, down) : before[i];
          body.append(...rows.flat());
        });
    }

    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      const next = { ascending: "descending", descending: "" };
      button.addEventListener("click", () =>
        sort(column, next[head.getAttribute("aria-sort")] ?? "ascending"),
      );
      head.replaceChildren(button);
    });
    table.addEventListener("filled", () => {
      const column = heads.findIndex((head) => head.ariaSort);
      if (column >= 0) sort(column, heads[column].ariaSort);
    });
  }

  function filterable(table) {
    const rows = [...table.tBodies].flatMap((body) => [...body.rows].filter(isRow));
    const text = make("input", { type: "text", autocomplete: "off" });
    const controls = make("div", { className: "filters" }, make("label", {}, "Filter ", text));
    const menus = ["family", "layout", "holds"]
      .filter((name) => rows.some((row) => name in row.dataset))
      .map((name) => {
        const found = new Set(rows.flatMap((row) => row.dataset[name].split("|")));
        const options = [...found].filter((v) => v).map((value) => make("option", {}, value));
        const select = make("select", {}, make("option", { value: "" }, "all"), ...options);
        const label = `${name[0].toUpperCase()}${name.slice(1)} `;
        controls.append(make("label", {}, label, select));
        return { name, select };
      });
    const told = make("p", { className: "told" });
    told.setAttribute("role", "status");
    const words = (row) => row.dataset.words ?? row.textContent.toLowerCase();

    function filter() {
      const wanted = text.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const fits =
          words(row).includes(wanted) &&
          menus.every((m) => !m.select.value || row.dataset[m.name].split("|").includes(m.select.value));
        row.classList.toggle("filtered-out", !fits);
        shown += fits;
      }
      for (const body of table.tBodies) {
        const seen = body.querySelector("tr:not(.heading, .filtered-out)");
        body.querySelector(".heading")?.classList.toggle("filtered-out", !seen);
      }
      told.textContent = `${shown} of ${rows.length} ${table.dataset.what ?? "rows"}`;
    }

    controls.addEventListener("input", filter);
    (table.closest(".pst-scrollable-table-container") ?? table).before(controls, told);
    filter();
  }

  // On a phone, what a cell is stands before it.
  function labelled(table) {
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.innerText.trim());
    for (const row of [...table.tBodies].flatMap((body) => [...body.rows]))
      [...row.cells].forEach((cell, i) => {
        if (i && cell.colSpan === 1) cell.dataset.label = names[i];
      });
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const table of document.querySelectorAll("table.stack")) {
      labelled(table);
      table.addEventListener("filled", () => labelled(table));
    }
    for (const table of document.querySelectorAll("table.filterable")) filterable(table);
    for (const table of document.querySelectorAll("table.sortable")) sortable(table);
  });
})();
