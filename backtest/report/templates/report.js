"use strict";
(() => {
  const charts = document.getElementById("report-charts").textContent;
  const colors = Object.entries(JSON.parse(document.getElementById("report-colors").textContent));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const touch = window.matchMedia("(pointer: coarse)");
  let drawn = [];

  function painted(text) {
    if (!dark.matches) return text;
    for (const [light, night] of colors) text = text.replaceAll(light, night);
    return text;
  }

  function released(node) {
    if (Array.isArray(node)) node.forEach(released);
    else if (node !== null && typeof node === "object") {
      if ("active_drag" in node) node.active_drag = null;
      Object.values(node).forEach(released);
    }
    return node;
  }

  // Tooltips live in shadow trees that page styles do not reach; their labels are too pale to read.
  function legible() {
    for (const tip of document.querySelectorAll(".bk-Tooltip")) {
      if (tip.shadowRoot === null || tip.dataset.legible) continue;
      tip.dataset.legible = "yes";
      const style = document.createElement("style");
      style.textContent = ".bk-tooltip-row-label { color: inherit !important; opacity: .7; padding-right: .5em; }";
      tip.shadowRoot.append(style);
    }
  }

  async function draw() {
    for (const view of drawn) view.clear();
    for (const canvas of document.querySelectorAll(".canvas")) canvas.replaceChildren();
    Bokeh.documents.length = 0;
    const content = JSON.parse(painted(charts));
    drawn = await Bokeh.embed.embed_items(touch.matches ? released(content.documents) : content.documents, content.items);
  }

  for (const button of document.querySelectorAll(".scale button")) {
    button.addEventListener("click", () => {
      for (const other of button.parentElement.children) {
        other.setAttribute("aria-pressed", String(other === button));
        document.getElementById(other.dataset.chart).hidden = other !== button;
      }
    });
  }

  if (window.matchMedia("(max-width: 1099px)").matches) document.querySelector("nav details").open = false;
  Bokeh.set_log_level("error");
  new MutationObserver(legible).observe(document.body, { childList: true });
  dark.addEventListener("change", draw);
  draw();
})();
