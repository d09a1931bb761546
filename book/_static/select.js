// "Which one?": shows of the page's table what answers the questions, at the size that a reader types.
// What fits and what it costs was computed by tools/selection.py; here sizes are put into formulas.
(() => {
  const KINDS = ["macs", "touched", "params", "memory"];
  const ROWS = "its tokens are the pixels of a map: tick “pixels” and give height and width";

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function whole(number) {
    if (!number) return "none";
    return number > Number.MAX_SAFE_INTEGER
      ? number.toPrecision(4)
      : Math.round(number).toLocaleString("en");
  }

  // ---- what a mechanism costs at a size: its counts, or why it has none

  function costs(mechanism, need, causal) {
    const at = mechanism.at[need.features];
    if (at.refused) return { refused: at.refused };
    if (mechanism.side && Math.max(need.height, need.width) > mechanism.side)
      return { refused: `takes maps of at most ${mechanism.side} × ${mechanism.side}` };
    const names = ["batch", "tokens", "height", "width", ...mechanism.words];
    const values = [need.batch, need.tokens, need.height, need.width, ...at.words];
    const counts = KINDS.map((kind) => {
      const value = new Function(...names, `return ${mechanism[kind]};`)(...values);
      return [kind, value < Number.MAX_SAFE_INTEGER ? Math.round(value) : value];
    });
    const found = Object.fromEntries(counts);
    const input = need.batch * need.tokens * need.features; // no largest tensor is smaller
    const lacking = Math.max(input - found.memory, 0);
    found.memory += lacking;
    found.touched += lacking;
    return { changed: at.changed ?? "", ...found };
  }

  // ---- the form

  function field(label, control, name, properties = {}) {
    Object.assign(control, { name, id: `selection-${name}` }, properties);
    return make("span", { className: "field" },
      make("label", { htmlFor: control.id }, label), " ", control); // prettier-ignore
  }

  function menu(pairs) {
    const control = make("select");
    control.append(...pairs.map(([value, label]) => make("option", { value }, label)));
    return control;
  }

  function number(value, most) {
    return make("input", { type: "number", min: 1, max: most, step: 1, value });
  }

  function build(data) {
    const { most } = data;
    const tick = () => make("input", { type: "checkbox" });
    const asked = make("div", { className: "questions" });
    const sizes = make("div", { className: "filters" },
      field("Tokens", number(1024, most.tokens), "tokens"),
      field("They are the pixels of a map", tick(), "pixels"),
      field("Height", number(56, most.side), "height"),
      field("Width", number(56, most.side), "width"),
      field("Channels or features", menu(data.widths.map((w) => [w, w])), "features"),
      field("Batch", number(1, most.batch), "batch"),
      field("Padding: sequences of several lengths", tick(), "padding"),
    ); // prettier-ignore
    const form = make("form", { noValidate: true }, asked, sizes);
    form.elements.features.value = data.first;
    return form;
  }

  // One menu for each question on the way, as in the chart; the first has no "any".
  function ask(form, data, chosen) {
    const menus = [];
    let question = data.question;
    for (let depth = 0; question; depth += 1) {
      const answers = question.answers.map((answer) => [answer.slug, answer.label]);
      const control = menu(depth ? [["", "any"], ...answers] : answers);
      menus.push(field(question.text, control, `answer${depth}`));
      const answer = question.answers.find((a) => a.slug === chosen[depth]);
      control.value = answer ? answer.slug : depth ? "" : answers[0][0];
      question = question.answers.find((a) => a.slug === control.value)?.then;
    }
    form.querySelector(".questions").replaceChildren(...menus);
  }

  const answers = (form) => [...form.querySelectorAll(".questions select")].map((s) => s.value);

  // Show the sizes that the layout has.
  function fit(form) {
    const { tokens, pixels, height, width, padding } = form.elements;
    const onMaps = answers(form)[0] === "maps";
    const hide = (control, hidden) => (control.closest(".field").hidden = hidden);
    [tokens, pixels, padding].forEach((control) => hide(control, onMaps));
    [height, width].forEach((control) => hide(control, !onMaps && !pixels.checked));
    if (!onMaps) hide(tokens, pixels.checked);
  }

  function read(form) {
    const { elements } = form;
    const need = { path: answers(form).filter((slug) => slug), padding: elements.padding.checked };
    need.rows = need.path[0] === "maps" || elements.pixels.checked;
    need.features = Number(elements.features.value);
    const wrong = [];
    for (const name of need.rows ? ["height", "width", "batch"] : ["tokens", "batch"]) {
      const control = elements[name];
      control.removeAttribute("aria-invalid");
      need[name] = Number(control.value);
      if (!Number.isInteger(need[name]) || need[name] < 1 || need[name] > Number(control.max)) {
        control.setAttribute("aria-invalid", "true");
        const most = Number(control.max).toLocaleString("en");
        wrong.push(`${name}=${control.value || "nothing"} must be a whole number from 1 to ${most}`);
      }
    }
    if (need.rows) need.tokens = need.height * need.width;
    return { need, wrong };
  }

  // ---- the table

  function fill(row, found) {
    row.querySelectorAll("td").forEach((cell) => cell.remove());
    row.querySelector(".changed").textContent = found.changed ? ` with ${found.changed}` : "";
    if (found.refused) row.append(make("td", { colSpan: KINDS.length }, found.refused));
    else
      for (const kind of KINDS) {
        const cell = make("td", {}, whole(found[kind]));
        cell.dataset.value = found[kind];
        row.append(cell);
      }
  }

  function show(table, told, data, form) {
    const { need, wrong } = read(form);
    table.hidden = Boolean(wrong.length);
    if (wrong.length) {
      told.textContent = `Please correct: ${wrong.join("; ")}.`;
      return;
    }
    let fitting = 0;
    let total = 0;
    for (const body of table.tBodies) {
      const path = body.dataset.path.split(" ");
      const asked = need.path.every((slug, depth) => path[depth] === slug);
      body.hidden = !asked;
      if (!asked) continue;
      for (const row of body.querySelectorAll("tr[data-key]")) {
        const mechanism = data.mechanisms[row.dataset.key];
        const padded = !need.padding || row.dataset.padding;
        const found = row.dataset.rows && !need.rows ? { refused: ROWS }
          : padded ? costs(mechanism, need) : { refused: "takes no key_mask" }; // prettier-ignore
        fill(row, found);
        total += 1;
        fitting += !found.refused;
      }
    }
    const where = need.rows ? `${need.height} × ${need.width}` : `${whole(need.tokens)} tokens`;
    told.textContent =
      `${fitting} of ${total} rows can be counted at ${where}, ` +
      `${need.features} features, batch of ${need.batch}.`;
    table.dispatchEvent(new Event("filled"));
  }

  // The form's state stands in the address, so that it can be shared.
  function write(form) {
    const state = new URLSearchParams({ path: answers(form).filter((s) => s).join(" ") });
    for (const control of form.querySelectorAll(".filters [name]")) {
      const value = control.type === "checkbox" ? (control.checked ? "1" : "") : control.value;
      if (value && !control.closest(".field").hidden) state.set(control.name, value);
    }
    history.replaceState(null, "", `#${state}`);
  }

  function restore(form, data) {
    const state = new URLSearchParams(location.hash.slice(1));
    ask(form, data, (state.get("path") ?? "maps").split(" "));
    for (const control of form.querySelectorAll(".filters [name]")) {
      const value = state.get(control.name);
      if (value === null) continue;
      const known = control.tagName !== "SELECT" || data.widths.includes(Number(value));
      if (control.type === "checkbox") control.checked = value === "1";
      else if (known) control.value = value;
    }
    fit(form);
  }

  function start() {
    const place = document.getElementById("selection");
    const data = JSON.parse(document.getElementById("selection-data").textContent);
    const table = document.querySelector("table.ranking");
    const form = build(data);
    const told = make("p", { className: "told" });
    told.setAttribute("role", "status");
    place.replaceChildren(form, told);
    const update = () => show(table, told, data, form);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      const { name } = event.target;
      if (name.startsWith("answer")) {
        ask(form, data, answers(form));
        form.elements[name].focus();
      }
      fit(form);
      update();
      write(form);
    });
    addEventListener("hashchange", () => {
      if (!location.hash.includes("=")) return; // a place on the page, not the form's state
      restore(form, data);
      update();
    });
    restore(form, data);
    update();
    window.attentionSelection = { data, costs };
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
