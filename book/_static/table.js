// Makes the table of all mechanisms sortable and filterable. Without this script it is complete.
(() => {
  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  // What a cell is sorted by: the number it begins with, or its text.
  function keyOf(row, column) {
    const text = row.cells[column].innerText.trim();
    const number = /^-?[\d,]+(\.\d+)?/.exec(text);
    return number ? Number(number[0].replaceAll(",", "")) : text.toLowerCase();
  }

  function compare(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, head.innerText.trim());
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows];
        rows.sort((a, b) => compare(keyOf(a, column), keyOf(b, column)) * (down ? -1 : 1));
        body.append(...rows);
      });
      head.replaceChildren(button);
    });
  }

  function filterable(table) {
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.innerText.trim());
    const rows = [...table.tBodies[0].rows];
    const parts = (row, column) => row.cells[column].innerText.split(",").map((t) => t.trim());

    const text = make("input", { type: "text", autocomplete: "off" });
    const controls = make("div", { className: "filters" }, make("label", {}, "Filter ", text));
    const choices = ["Family", "Layout", "Properties"].map((name) => {
      const column = names.indexOf(name);
      const found = new Set(rows.flatMap((row) => parts(row, column)));
      const options = [...found].sort().map((value) => make("option", {}, value));
      const select = make("select", {}, make("option", { value: "" }, "all"), ...options);
      controls.append(make("label", {}, `${name} `, select));
      return { column, select };
    });
    const told = make("p", { className: "told" });
    told.setAttribute("role", "status");

    function filter() {
      const wanted = text.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const fits =
          row.innerText.toLowerCase().includes(wanted) &&
          choices.every((c) => !c.select.value || parts(row, c.column).includes(c.select.value));
        row.classList.toggle("filtered-out", !fits);
        shown += fits;
      }
      told.textContent = `${shown} of ${rows.length} mechanisms`;
    }

    controls.addEventListener("input", filter);
    (table.closest(".pst-scrollable-table-container") ?? table).before(controls, told);
    filter();
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const table of document.querySelectorAll("table.mechanisms")) {
      filterable(table);
      sortable(table);
    }
  });
})();
