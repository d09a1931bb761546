// Marks in the article what the reader has searched for (`?find=…`), and goes to the first of it.
(() => {
  const query = new URLSearchParams(location.search).get("find")?.trim();
  if (!query) return;
  const escaped = (text) => text.replace(/[.*+\-?^${}()|[\]\\]/g, "\\$&");
  const words = query.split(/\s+/).map(escaped);

  // Every text of the article that is read as it stands: not formulas, not drawings.
  function* texts(article) {
    const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    while (walker.nextNode())
      if (!walker.currentNode.parentElement.closest("script, style, svg, .math, .headerlink, mjx-container"))
        yield walker.currentNode; // prettier-ignore
  }

  function mark(article, pattern) {
    const marks = [];
    for (const text of [...texts(article)])
      for (const hit of [...text.data.matchAll(pattern)].reverse()) {
        const range = new Range();
        range.setStart(text, hit.index);
        range.setEnd(text, hit.index + hit[0].length);
        const element = Object.assign(document.createElement("mark"), { className: "found" });
        range.surroundContents(element);
        marks.push(element);
      }
    return marks;
  }

  addEventListener("DOMContentLoaded", () => {
    const article = document.querySelector("article");
    const whole = mark(article, new RegExp(`(?<![\\p{L}\\p{N}])${words.join("\\s+")}`, "giu"));
    if (!whole.length) mark(article, new RegExp(`(?<![\\p{L}\\p{N}])(${words.join("|")})`, "giu"));
    const section = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const first = (section || article).querySelector("mark.found") ?? article.querySelector("mark.found");
    for (let fold = first; (fold = fold?.parentElement?.closest("details")); ) fold.open = true;
    const show = () => first?.scrollIntoView({ block: "center", behavior: "instant" });
    addEventListener("load", () => {
      show();
      window.MathJax?.startup?.promise?.then(show); // formulas have their height only now
    });
    addEventListener("keydown", ({ key }) => {
      if (key !== "Escape") return;
      for (const found of document.querySelectorAll("mark.found")) found.replaceWith(...found.childNodes);
    });
  });
})();
