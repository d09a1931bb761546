// Ranks what Sphinx finds: names and titles before headings before text, phrases before words; and
// quotes the sentence that has the word. `articleTexts` is written by tools/site/search.py.
(() => {
  const stemmer = new Stemmer();
  const QUOTED = 240; // letters of an excerpt, about

  // What a word's forms begin with: "queri" is the stem of queries and of query.
  const begin = (word) => _escapeRegExp(stemmer.stemWord(word)).replace(/i$/, "[iy]");

  // The query as patterns: the phrase, and each of its words.
  function patterns(query) {
    const words = splitQuery(query.toLowerCase()).filter((word) => !stopwords.includes(word));
    const begun = words.map((word) => `(?<![\\p{L}\\p{N}])${begin(word)}[\\p{L}\\p{N}]*`);
    return {
      phrase: new RegExp(begun.join("[\\s\\-_]+"), "giu"),
      words: begun.map((pattern) => new RegExp(pattern, "giu")),
    };
  }

  const plain = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  const count = (text, pattern) => [...text.matchAll(pattern)].length;

  // From 0 to 1: how much of a short text is the phrase, or, for less, all words of it.
  function share(text, { phrase, words }) {
    const found = text.match(phrase);
    if (found) return 0.5 + (0.5 * found[0].length) / text.length;
    return words.every((word) => text.match(word)) ? 0.3 : 0;
  }

  // From 0 to 1: how much a text speaks of it; each time more says less than the one before.
  function density(text, { phrase, words }) {
    const often = (times) => times / (times + 8);
    const single = Math.min(...words.map((word) => count(text, word)));
    return 0.7 * often(count(text, phrase)) + 0.3 * often(single);
  }

  function rankSection(section, asked, query) {
    const explained = section.explains.some((word) => plain(word) === query);
    const exact = plain(section.heading) === query;
    return 200 * exact + 120 * share(section.heading, asked) + 50 * explained +
      60 * density(section.text, asked); // prettier-ignore
  }

  // What a page of a kind is worth beside others that answer as well.
  const KINDS = [
    [/^notebooks\//, 1.5],
    [/^book\/library\//, 0.5],
    [/^book\/(changes|status|mechanisms|selection)$/, 0.3],
  ];

  // How well a page answers, and its section that answers best.
  function rank({ page, names, sections: [first, ...others] }, asked, query) {
    const title = first.heading;
    const lead = first.text.split("\n", 1)[0];
    const exact = [title, title.split(":")[0], ...names].some((name) => plain(name) === query);
    const whole = [first, ...others].map((section) => section.text).join("\n");
    const explains = others.some(({ explains }) => explains.some((word) => plain(word) === query));
    const [, kind] = KINDS.find(([pattern]) => pattern.test(page)) ?? [null, 1];

    let best = { score: 0, ...first, place: "" };
    for (const section of others) {
      const score = rankSection(section, asked, query);
      if (score > best.score) best = { ...section, score };
    }
    const entitled = share(title, asked);
    if (exact || entitled > 0.5 || !best.score) best = { ...first, place: "", heading: "" };
    const score = 1000 * exact + 400 * entitled + 120 * share(lead, asked) + 60 * explains +
      100 * density(whole, asked) + (best.score ?? 0); // prettier-ignore
    return { page, title, best, whole, score: score * kind };
  }

  // The sentence that has the phrase, or else most of the words, with a little around it.
  function excerpt(text, asked) {
    const sentences = text.split(/(?<=[.?!:])\s+|\n/);
    const worth = sentences.map((sentence) =>
      count(sentence, asked.phrase) ? 100 : asked.words.filter((word) => sentence.match(word)).length); // prettier-ignore
    const from = worth.indexOf(Math.max(...worth));
    let [quoted, next] = [sentences[from], from + 1];
    while (quoted.length < QUOTED / 2 && next < sentences.length) quoted += " " + sentences[next++];
    const hit = Math.max(0, quoted.search(worth[from] === 100 ? asked.phrase : asked.words[0]));
    const start = hit + 60 > QUOTED ? quoted.lastIndexOf(" ", hit - 60) + 1 : 0;
    const end = start + QUOTED < quoted.length ? quoted.lastIndexOf(" ", start + QUOTED) : quoted.length;
    return `${start ? "… " : ""}${quoted.slice(start, end)}${end < quoted.length ? " …" : ""}`;
  }

  function marked(text, { phrase, words }) {
    const element = document.createElement("p");
    element.className = "context";
    const pattern = text.match(phrase) ? phrase : new RegExp(words.map((w) => w.source).join("|"), "giu");
    let end = 0;
    for (const hit of text.matchAll(pattern)) {
      const mark = Object.assign(document.createElement("mark"), { textContent: hit[0] });
      element.append(text.slice(end, hit.index), mark);
      end = hit.index + hit[0].length;
    }
    element.append(text.slice(end));
    return element;
  }

  function show({ page, title, best, whole }, asked, query) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const where = new URL(page + DOCUMENTATION_OPTIONS.LINK_SUFFIX, document.baseURI);
    where.searchParams.set("find", query);
    where.hash = best.place;
    link.href = where;
    link.textContent = best.heading ? `${title} › ${best.heading}` : title;
    const has = (text) => asked.words.some((word) => text.match(word));
    const named = `${best.heading || title}. ${whole}`; // where the heading alone has the word
    item.append(link, marked(excerpt([best.text, whole].find(has) ?? named, asked), asked));
    Search.output.append(item);
  }

  Search.query = (query) => {
    const parsed = Search._parseQuery(query);
    localStorage.removeItem("sphinx_highlight_terms"); // found.js marks on its own
    const found = new Set(Search._performSearch(...parsed).map(([page]) => page));
    const asked = patterns(query);
    const ranked = articleTexts
      .filter(({ page }) => found.has(page) && asked.words.length)
      .map((article) => rank(article, asked, plain(query)))
      .sort((one, other) => other.score - one.score); // ties stay in the order of the contents
    for (const article of ranked) show(article, asked, query);
    _finishSearch(ranked.length);
  };
})();
