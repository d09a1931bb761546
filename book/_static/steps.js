// Show a diagram one step after the other: a slider below it, and the sentence of its step.
for (const drawing of document.querySelectorAll("figure.flow > svg")) {
  const parts = [...drawing.querySelectorAll("[data-step]")];
  const last = Math.max(...parts.map((part) => Number(part.dataset.step)));
  const range = { type: "range", min: 0, max: last, value: last };
  const slider = Object.assign(document.createElement("input"), range);
  const said = document.createElement("output");
  const label = document.createElement("label");
  label.className = "steps";
  label.append("Step by step ", slider, said);
  drawing.after(label);
  const sentence = (step) => drawing.querySelector(`g[data-step="${step}"] title`)?.textContent;
  function show() {
    const now = Number(slider.value);
    for (const part of parts) part.style.opacity = Number(part.dataset.step) <= now ? 1 : 0.12;
    said.textContent = sentence(now) ?? "What is given.";
    slider.setAttribute("aria-valuetext", said.textContent);
  }
  slider.addEventListener("input", show);
}
