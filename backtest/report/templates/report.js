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

  async function draw() {
    for (const view of drawn) view.clear();
    for (const canvas of document.querySelectorAll(".canvas")) canvas.replaceChildren();
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
  dark.addEventListener("change", draw);
  draw();
})();
