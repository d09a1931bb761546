// What is looked at in a page: functions that list complaints, or make it ready for axe.
// tests/support/looking.py calls them.
window.looks = {
  // Each returns a list of complaints.
  rawMathematics() {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.parentElement.closest("pre, code, script, style, noscript, mjx-container")) continue;
      if (/\$|\\\(|\\\[|\\begin\{/.test(node.data)) found.push("not typeset: " + node.data.trim());
    }
    for (const box of document.querySelectorAll(".math"))
      if (!box.querySelector("mjx-container")) found.push("not typeset: " + box.innerText);
    for (const bad of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
      found.push("MathJax: " + (bad.getAttribute("data-mjx-error") || bad.innerText));
    return found;
  },

  pictures: () => [...document.images].flatMap((image) => [
    ...(image.complete && image.naturalWidth ? [] : ["not loaded: " + image.src]),
    ...(image.alt.trim() ? [] : ["no text alternative: " + image.src]),
  ]).concat([...document.querySelectorAll("svg.drawn")]
    .filter((figure) => !figure.getAttribute("aria-label")?.trim())
    .map((figure) => "no text alternative: " + figure.textContent.slice(0, 60))),

  smallWords: () => [...document.querySelectorAll("svg.drawn text")]
    .filter((words) => words.checkVisibility())
    .map((words) => {
      const { a, b } = words.getScreenCTM();
      return [words, parseFloat(getComputedStyle(words).fontSize) * Math.hypot(a, b)];
    })
    .filter(([words, size]) => size < 9)
    .map(([words, size]) => `${size.toFixed(1)} px are the words ${words.textContent}`),

  icons: () => [...document.querySelectorAll("i[class*='fa-']")]
    .filter((icon) => icon.checkVisibility())
    .filter((icon) => ["none", ""].includes(getComputedStyle(icon, "::before").content))
    .map((icon) => "not drawn: " + icon.className),

  searchBoxes() {
    const boxes = "input[type=search], .search-button, .search-button-field";
    const seen = [...document.querySelectorAll(boxes)].filter((box) => {
      const place = box.getBoundingClientRect();
      const shown = box.checkVisibility({ visibilityProperty: true, opacityProperty: true });
      return shown && place.width && place.right > 0 && place.left < innerWidth;
    });
    return seen.length === 1 ? [] : [`${seen.length} search boxes at width ${innerWidth}`];
  },

  // Code, and words in tables, that a wide screen cuts or breaks.
  cut: () => [...document.querySelectorAll("div.highlight pre")]
    .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.innerText.split("\n").sort((a, b) => b.length - a.length)[0])
    .filter((line) => line.length <= 79)
    .map((line) => "cut: " + line),

  broken: () => [...document.querySelectorAll("table code .pre, td.interval")]
    .filter((cell) => {
      const range = document.createRange();
      const text = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT).nextNode();
      if (!text || !cell.checkVisibility()) return false;
      range.selectNodeContents(text);
      return range.getClientRects().length > 1;
    })
    .map((cell) => "broken: " + cell.innerText),

  smallCode: () => [...document.querySelectorAll("div.highlight pre")]
    .map((box) => [box, getComputedStyle(box).fontSize])
    .filter(([box, size]) => box.checkVisibility() && size !== "14px")
    .map(([box, size]) => `code of ${size}: ` + box.innerText.slice(0, 40)),

  // A chapter begins with its idea, seen at once, and its folds say what they hold.
  beginning(wanted) {
    const heading = [...document.querySelectorAll("h2")]
      .find((found) => found.innerText.startsWith("In one minute"));
    const titles = [...document.querySelectorAll(".cell details.hide > summary")];
    if (!heading) return titles.length ? ["no heading says: In one minute"] : [];
    const sentence = heading.parentElement.querySelector(":scope > p");
    const bottom = sentence.getBoundingClientRect().bottom + scrollY;
    const above = (part) => part.getBoundingClientRect().top + scrollY < bottom;
    const code = [...document.querySelectorAll(".bd-article pre")]
      .filter((box) => box.checkVisibility() && above(box));
    const folds = [...document.querySelectorAll(".bd-article details")].filter(above)
      .map((fold) => fold.querySelector("summary").innerText.trim());
    const setUps = titles.filter((title) => title.innerText.trim() === "Set-up");
    const stamp = document.querySelector(".bd-article details:first-of-type .cell_output p");
    return [
      ...(bottom < 700 ? [] : [`its first sentence ends at ${bottom} pixels`]),
      ...code.map((box) => "code above the first sentence: " + box.innerText.slice(0, 40)),
      ...(folds.join() === "Set-up" ? [] : ["folds above the first sentence: " + folds]),
      ...titles.filter((title) => !new RegExp(`^(${wanted})$`).test(title.innerText.trim()))
        .map((title) => "a fold that says nothing: " + title.innerText),
      ...titles.filter((title) => title.getAttribute("aria-label"))
        .map((title) => "a label hides the title: " + title.innerText),
      ...(setUps.length === 1 ? [] : [`${setUps.length} folds are called Set-up`]),
      ...(stamp?.textContent.includes("torch") ? [] : ["the set-up does not say where it ran"]),
      ...(stamp?.checkVisibility() ? ["the set-up is open"] : []),
      ...(document.body.innerText.includes("#@title") ? ["#@title is seen"] : []),
    ];
  },

  skipLink() {
    const link = document.activeElement;
    const target = link.hash && document.querySelector(link.hash);
    return target ? [] : ["the first Tab reaches " + link.outerHTML.slice(0, 80)];
  },

  tooWide() {
    const width = document.documentElement.scrollWidth;
    if (width <= innerWidth) return [];
    const wide = [...document.querySelectorAll("body *")]
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
      .map((e) => `${e.tagName}.${e.className}`);
    return [`${width} wide on a screen of ${innerWidth}: ${wide.slice(0, 5).join(", ")}`];
  },

  // A diagram may scroll in its box, but on a phone none should.
  drawnTooWide: () => [...document.querySelectorAll("figure.flow > svg")]
    .filter((part) => part.getBoundingClientRect().right > innerWidth || part.clientWidth < 100)
    .filter((part) => !part.closest(".flows, details:not([open])"))
    .map((part) => "a drawing leaves the screen: " + part.getAttribute("aria-label").slice(0, 40)),

  cutOff: () => [...document.querySelectorAll("div.math")].flatMap((box) =>
    [...box.querySelectorAll("mjx-container")]
      .filter((formula) => formula.getBoundingClientRect().left + box.scrollLeft
                           < box.getBoundingClientRect().left - 1)
      .map((formula) => "begins where nobody can scroll: " + formula.innerText.slice(0, 60))),

  // A program's words are thousands of elements of a few classes. One of each class is enough, if axe
  // sees it: not one in a folded cell, or scrolled out of its block.
  thin() {
    const kept = new Set();
    const spare = [...document.querySelectorAll(".highlight pre span")].filter((token) => {
      const code = token.closest("pre");
      const block = code.parentElement.parentElement.className;
      const kind = [token.className, token.parentElement.className, block].join(" in ");
      const seen = token.textContent.trim() && token.checkVisibility()
        && token.getBoundingClientRect().right < code.getBoundingClientRect().right;
      return !seen || kept.size === kept.add(kind).size;
    });
    for (const token of spare) token.replaceWith(...token.childNodes);
    document.querySelectorAll(".highlight pre").forEach((code) => code.normalize());
    window.dispatchEvent(new Event("resize"));  // fewer bold letters: other boxes scroll
  },

  // Formulas and drawings are thousands of elements. One in each kind of place is enough.
  flat() {
    const kept = new Set();
    for (const part of document.querySelectorAll("mjx-container, svg[role=img][aria-label]")) {
      const place = part.parentElement.closest("p, li, td, th, h1, h2, h3, figure, div");
      const kind = `${part.tagName} in ${place?.tagName}.${place?.className}`;
      if (kept.size === kept.add(kind).size) part.replaceChildren(part.matches("svg") ? "" : "x");
    }
  },

  // What decides whether a text can be read: notes its colours, and what it is drawn on.
  coloured() {
    window.texts ??= new Map();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode;
      if (!text.data.trim()) continue;
      const { color, fontSize, fontWeight, textDecorationLine, textShadow } =
        getComputedStyle(text.parentElement);
      const kind = [color, fontSize, fontWeight, textDecorationLine, textShadow,
        text.parentElement.closest("a") ? "in a link" : "", texts.get(text) ?? ""];
      for (let around = text.parentElement; around; around = around.parentElement) {
        const { backgroundColor, backgroundImage, opacity, filter } = getComputedStyle(around);
        kind.push(backgroundColor, backgroundImage, opacity, filter);
        if (/^rgb\(/.test(backgroundColor)) break;  // nothing behind it is seen
      }
      texts.set(text, kind.join());
    }
  },

  // Three blocks for each kind of text keep their words; the others are like them.
  few() {
    const blocks = new Map(), counts = new Map();
    const block = "p, li, dt, dd, td, th, pre, h1, h2, h3, h4, label, button, summary, div";
    for (const text of window.texts.keys()) {
      const around = text.parentElement.closest(block) ?? document.body;
      blocks.set(around, [...(blocks.get(around) ?? []), text]);
    }
    for (const [around, inside] of blocks) {
      const kinds = around.checkVisibility() ? inside.map((text) => window.texts.get(text)) : [];
      if (kinds.some((kind) => (counts.get(kind) ?? 0) < 3))
        for (const kind of new Set(kinds)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
      else for (const text of inside) text.data = "";
    }
    for (const part of document.querySelectorAll("body *"))
      if (!part.textContent.trim()) part.remove();
    delete window.texts;
  },
};
