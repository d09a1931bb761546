// "Which one?": ranks the mechanisms for the sizes that a reader types.  It evaluates the formulas of
// the library, which tools/selection.py wrote into the page; without it the page's tables remain.
(() => {
  const UNITS = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
  const TIMES = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
  const SIZES = ["batch", "tokens", "height", "width", "features"];
  const ORDERS = { macs: "multiply-adds", params: "parameters", memory: "largest tensor",
                   time: "measured time" }; // prettier-ignore

  // ---- the ranking: the same steps as recommend() in attention_lib/advice/ranking.py

  function evaluate(formula, sizes) {
    const value = new Function(...SIZES, `return ${formula};`)(...SIZES.map((s) => sizes[s]));
    return value < Number.MAX_SAFE_INTEGER ? Math.round(value) : value;
  }

  function admits(path, need) {
    if (path.slugs[0] !== need.layout) return false;
    if (need.layout === "tokens" && (path.slugs[1] === "causal") !== need.causal) return false;
    return !need.task || path.slugs.includes(need.task);
  }

  function refusal(mechanism, path, need) {
    if (mechanism.layout !== need.layout) return `works on ${mechanism.layout}`;
    if (need.causal && !mechanism.causal) return "has no causal form";
    if (!path) return "is no answer to this task";
    if (need.padding && !mechanism.padding) return "takes no key_mask";
    if (mechanism.rows && !need.height)
      return "needs to know the height and width that its tokens have as pixels";
    if (need.features % mechanism.multiple || need.features < mechanism.least)
      return mechanism.multiple > 1
        ? `needs a multiple of ${mechanism.multiple} features, at least ${mechanism.least}`
        : `needs at least ${mechanism.least} features`;
    if (mechanism.side && Math.max(need.height, need.width) > mechanism.side)
      return `takes maps of at most ${mechanism.side} × ${mechanism.side}`;
    return "";
  }

  // The stored time at the measured size that is nearest to the one asked for.
  function nearest(mechanism, need) {
    const far = (m) =>
      [[m.places, need.tokens], [m.features, need.features], [m.batch, need.batch]]
        .reduce((sum, [a, b]) => sum + Math.abs(Math.log(a / b)), 0); // prettier-ignore
    let best = null;
    for (const [group, machine, backward, batch, features, height, width, seconds] of
         mechanism.measured) { // prettier-ignore
      if (Boolean(backward) !== need.backward) continue;
      const places = Math.max(height, 1) * width;
      const found = { group, machine, batch, features, height, width, seconds, places };
      if (!best || far(found) < far(best)) best = found;
    }
    return best;
  }

  function recommend(data, need) {
    const choices = [];
    const left = [];
    for (const mechanism of data.mechanisms) {
      const paths = mechanism.paths.map((number) => data.paths[number]);
      const path = paths.find((p) => admits(p, need));
      const reason = refusal(mechanism, path, need);
      if (reason) {
        left.push({ mechanism, reason });
        continue;
      }
      const choice = { mechanism, path, params: evaluate(mechanism.params, need) };
      choice.macs = evaluate(`(${mechanism.macs}) * batch`, need);
      const input = need.batch * need.tokens * need.features;
      choice.memory = Math.max(evaluate(`(${mechanism.memory}) * batch`, need), input);
      choice.bytes = choice.memory * data.bytes[need.dtype];
      choice.measured = nearest(mechanism, need);
      if (need.memory && choice.bytes > need.memory)
        left.push({ mechanism, reason: `its largest tensor alone takes ${binary(choice.bytes)}` });
      else choices.push(choice);
    }
    const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    const key = (c) => [c.macs, c.memory, c.params];
    choices.sort((a, b) => {
      if (need.by === "time") {
        const none = (a.measured === null) - (b.measured === null);
        if (none) return none;
        const group = a.measured ? text(a.measured.group, b.measured.group) : 0;
        if (group) return group;
        if (a.measured && a.measured.seconds !== b.measured.seconds)
          return a.measured.seconds - b.measured.seconds;
      } else if (a[need.by] !== b[need.by]) return a[need.by] - b[need.by];
      for (const [i, value] of key(a).entries())
        if (value !== key(b)[i]) return value - key(b)[i];
      return text(a.mechanism.name, b.mechanism.name);
    });
    return { choices, left };
  }

  // ---- words

  function whole(number) {
    return number > Number.MAX_SAFE_INTEGER ? number.toPrecision(4) : number.toLocaleString("en");
  }
  function scaled(number, units) {
    const [unit, name] = units.find(([least]) => number >= least) ?? units.at(-1);
    return `${Number((number / unit).toPrecision(3))} ${name}`;
  }
  const binary = (bytes) => scaled(bytes, UNITS);

  function where(m) {
    const size = m.height
      ? `${m.height} × ${m.width} × ${whole(m.features)}`
      : `${whole(m.width)} tokens × ${whole(m.features)}`;
    return m.batch === 1 ? size : `${m.batch} × (${size})`;
  }

  // ---- the page

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function field(label, control, name, wanted) {
    Object.assign(control, { name, id: `selection-${name}` });
    const told = make("label", { htmlFor: control.id }, label);
    return make("span", { className: `field for-${wanted}` }, told, " ", control);
  }

  function number(value, most) {
    return make("input", { type: "number", min: 1, max: most, step: 1, value, required: true });
  }

  function options(pairs) {
    const control = make("select");
    control.append(...pairs.map(([value, label]) => make("option", { value }, label)));
    return control;
  }

  function build(data) {
    const { most } = data;
    const tick = () => make("input", { type: "checkbox" });
    const memory = make("input", { type: "number", min: 0, step: "any" });
    const tokens = number(1024, most.tokens);
    const height = number(56, most.side);
    const width = number(56, most.side);
    const form = make("form", { className: "filters", noValidate: true },
      field("What comes in", options([["maps", "a map"], ["tokens", "tokens"]]), "layout", "all"),
      field("Tokens", tokens, "tokens", "tokens"),
      field("Height", height, "height", "maps"),
      field("Width", width, "width", "maps"),
      field("Channels or features", number(256, most.features), "features", "all"),
      field("Batch", number(1, most.batch), "batch", "all"),
      field("Memory for the largest tensor, MiB", memory, "memory", "all"),
      field("Numbers", options(Object.keys(data.bytes).map((d) => [d, d])), "dtype", "all"),
      field("Task", options([]), "task", "all"),
      field("Causal: no token looks ahead", tick(), "causal", "tokens"),
      field("Padding: sequences of several lengths", tick(), "padding", "tokens"),
      field("Times with gradients", tick(), "backward", "all"),
      field("Order by", options(Object.entries(ORDERS)), "by", "all"),
    ); // prettier-ignore
    form.elements.dtype.value = "float32";
    return form;
  }

  // Keep what fits the layout: its sizes, its tasks.
  function adapt(form, data) {
    const { layout, task, causal } = form.elements;
    const unfit = layout.value === "maps" ? "for-tokens" : "for-maps";
    for (const field of form.querySelectorAll(".field"))
      field.hidden = field.classList.contains(unfit);
    const known = Object.entries(data.tasks[layout.value]);
    const before = task.value;
    task.replaceChildren(
      make("option", { value: "" }, "any"),
      ...known.map(([value, label]) => make("option", { value }, label)),
    );
    task.value = known.some(([value]) => value === before) ? before : "";
    task.disabled = layout.value === "tokens" && causal.checked;
    if (task.disabled) task.value = "";
  }

  function read(form) {
    const { elements } = form;
    const onMaps = elements.layout.value === "maps";
    const need = { layout: elements.layout.value, by: elements.by.value,
                   dtype: elements.dtype.value, task: elements.task.value }; // prettier-ignore
    const wrong = [];
    for (const name of SIZES) {
      if (onMaps ? name === "tokens" : name === "height" || name === "width") continue;
      const control = elements[name];
      control.removeAttribute("aria-invalid");
      need[name] = Number(control.value);
      if (!Number.isInteger(need[name]) || need[name] < 1 || need[name] > Number(control.max)) {
        control.setAttribute("aria-invalid", "true");
        wrong.push(`${name}=${control.value || "nothing"} must be a whole number from 1 to ` +
                   Number(control.max).toLocaleString("en")); // prettier-ignore
      }
    }
    need.memory = Number(elements.memory.value) * 2 ** 20;
    if (need.memory < 0 || !elements.memory.validity.valid)
      wrong.push("the memory must be a number above 0, or empty for any");
    if (onMaps) need.tokens = need.height * need.width;
    need.causal = !onMaps && elements.causal.checked;
    need.padding = !onMaps && elements.padding.checked;
    need.backward = elements.backward.checked;
    return { need, wrong };
  }

  function why({ mechanism, path, macs }, uncounted) {
    const lines = [`${path.use[0].toUpperCase()}${path.use.slice(1)}.`];
    for (const told of [path.why, path.caveat, ...mechanism.notes]) if (told) lines.push(told);
    if (!macs)
      lines.push(uncounted);
    lines.push(mechanism.trained.length
      ? `in stored experiments: ${mechanism.trained.join(", ")}`
      : "in no stored experiment with others"); // prettier-ignore
    return make("ul", {}, ...lines.map((line) => make("li", {}, line)));
  }

  function show(place, told, data, form) {
    const { need, wrong } = read(form);
    if (wrong.length) {
      place.replaceChildren();
      told.textContent = `Please correct: ${wrong.join("; ")}.`;
      return;
    }
    const { choices, left } = recommend(data, need);
    const heads = ["", "Mechanism", "Multiply-adds", "Parameters", "Largest tensor", "Measured",
                   "Why"]; // prettier-ignore
    let rank = 0;
    let group = null;
    const rows = choices.map((choice) => {
      const { mechanism, measured } = choice;
      if (need.by === "time" && group !== measured?.group) rank = 0; // one size, one ranking
      group = measured?.group;
      rank += 1;
      return make("tr", {},
        make("td", {}, need.by === "time" && !measured ? "–" : String(rank)),
        make("th", { scope: "row" }, make("a", { href: mechanism.page }, mechanism.title)),
        make("td", {}, choice.macs ? whole(choice.macs) : "0: none counted"),
        make("td", {}, whole(choice.params)),
        make("td", {}, binary(choice.bytes)),
        make("td", {}, measured
          ? `${scaled(measured.seconds, TIMES)} at ${where(measured)}` : "not measured"),
        make("td", {}, make("details", {}, make("summary", {}, choice.path.use), why(choice, data.uncounted))),
      ); // prettier-ignore
    });
    const head = make("tr", {}, ...heads.map((text) =>
      text ? make("th", { scope: "col" }, text) : make("td"))); // prettier-ignore
    const machines = new Set(choices.flatMap((c) => (c.measured ? [c.measured.machine] : [])));
    const note = make("p", { className: "told" }, "Costs are counted for the whole batch at the" +
      " sizes above. Times were measured at the size beside them" +
      ` (${[...machines].join("; ") || "none is stored"}).`); // prettier-ignore
    const table = make("table", { className: "table ranking" },
      make("thead", {}, head), make("tbody", {}, ...rows)); // prettier-ignore
    const scroll = make("div", { className: "scroll", tabIndex: 0 }, table);
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Ranking");
    const findings = new Set(choices.flatMap((choice) => choice.path.findings));
    const asked = left.filter(({ mechanism }) => mechanism.layout === need.layout);
    const list = (items) => make("ul", {}, ...items.map((item) => make("li", {}, item)));
    place.replaceChildren(...(choices.length ? [note, scroll] : []));
    if (findings.size)
      place.append(make("details", {}, make("summary", {}, "What stored experiments found"),
        list([...findings]))); // prettier-ignore
    if (asked.length)
      place.append(make("details", {}, make("summary", {}, `Left out: ${asked.length}`),
        list(asked.map((l) => `${l.mechanism.title}: ${l.reason}`)))); // prettier-ignore
    const total = asked.length + choices.length;
    told.textContent = choices.length
      ? `${choices.length} of ${total} mechanisms on ${need.layout} fit.`
      : `None of ${total} mechanisms on ${need.layout} fits; the reasons stand below.`;
  }

  // The form's state stands in the address, so that it can be shared.
  function write(form) {
    const state = new URLSearchParams();
    for (const control of form.elements) {
      const value = control.type === "checkbox" ? (control.checked ? "1" : "") : control.value;
      if (value && !control.closest(".field").hidden) state.set(control.name, value);
    }
    history.replaceState(null, "", `#${state}`);
  }

  function restore(form, data) {
    const state = new URLSearchParams(location.hash.slice(1));
    if (!state.has("layout")) return;
    form.elements.layout.value = state.get("layout") === "tokens" ? "tokens" : "maps";
    adapt(form, data);
    for (const [name, value] of state) {
      const control = form.elements[name];
      if (!control || name === "layout") continue;
      const known = control.tagName !== "SELECT" || [...control.options].some((o) => o.value === value);
      if (control.type === "checkbox") control.checked = value === "1";
      else if (known) control.value = value;
    }
  }

  function start() {
    const place = document.getElementById("selection");
    const text = document.getElementById("selection-data");
    if (!place || !text) return;
    const data = JSON.parse(text.textContent);
    window.attentionSelection = { data, recommend };
    const form = build(data);
    const told = make("p", { className: "told" });
    told.setAttribute("role", "status");
    const results = make("div", { className: "results" });
    place.replaceChildren(form, told, results);
    restore(form, data);
    const update = () => {
      adapt(form, data);
      show(results, told, data, form);
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      update();
      write(form);
    });
    addEventListener("hashchange", () => {
      restore(form, data);
      update();
    });
    update();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
