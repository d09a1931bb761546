// Before a page is printed, its folds are opened, but not the set-up; afterwards it is as it was.
(() => {
  const folds = ".bd-article details:not([open], .tag_parameters details)";
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(folds)];
    opened.forEach((fold) => (fold.open = true));
  });
  window.addEventListener("afterprint", () => opened.forEach((fold) => (fold.open = false)));
})();
