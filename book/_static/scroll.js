// What scrolls sideways shows it (tables.css) and can be reached with the Tab key, while it does scroll.
(() => {
  const boxes =
    "pre, div.math, mjx-container[display], .cell_output, .cell_output .output, " +
    ".pst-scrollable-table-container, .diagram";

  function mark() {
    for (const box of document.querySelectorAll(boxes)) {
      const scrolls =
        box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible";
      box.classList.toggle("scrolls", scrolls && !box.matches("pre"));
      if (scrolls) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    }
  }

  window.addEventListener("load", () => {
    mark();
    window.MathJax?.startup?.promise?.then(mark);
    document.fonts?.ready.then(mark);
    document.fonts?.addEventListener("loadingdone", mark); // wider letters: other boxes scroll
  });
  window.addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true); // a <details> was opened
  document.addEventListener("click", () => setTimeout(mark)); // so was a hidden cell
})();
