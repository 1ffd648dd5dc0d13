"use strict";
// Article text reaches the page only through textContent, so nothing in it is ever parsed as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const filters = { label: byId("filter-label"), kind: byId("filter-kind"), order: byId("order"), find: byId("find") };
  const colour = (label) => data.labels.indexOf(label) % 8;
  let shown = [], current = -1, error = -1;

  const make = (name, options = {}, ...children) => {
    const node = document.createElement(name);
    const { className, text, ...attributes } = options;
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  // Spans and errors count characters (code points); JavaScript strings count UTF-16 units.
  const characters = (text) => Array.from(text);

  const matches = (article) => {
    const label = filters.label.value, kind = filters.kind.value, words = filters.find.value.trim().toLowerCase();
    const ofLabel = (spans) => spans.some((span) => span[2] === label);
    if (kind) {
      const found = article.errors.filter((e) => kind === "*" || e.kind === kind);
      if (!found.some((e) => !label || ofLabel(e.gold) || ofLabel(e.predicted))) return false;
    } else if (label && !ofLabel(article.gold) && !ofLabel(article.predicted)) return false;
    return !words || article.id.toLowerCase().includes(words) || article.text.toLowerCase().includes(words);
  };

  const list = () => {
    shown = data.articles.filter(matches);
    shown.sort(filters.order.value === "id"
      ? (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
      : (a, b) => b.errors.length - a.errors.length || (a.id < b.id ? -1 : 1));
    byId("count").textContent = `${shown.length} of ${data.articles.length} articles`;
    byId("list").replaceChildren(...shown.map((article, index) => {
      const button = make("button", { type: "button", text: article.id });
      button.append(make("span", { className: "sub", text: ` ${article.errors.length} ${article.errors.length === 1 ? "error" : "errors"}` }));
      button.addEventListener("click", () => open(index));
      return make("li", {}, button);
    }));
    current = -1;
    if (shown.length) open(0, false);
    else byId("article").replaceChildren(make("p", { text: "No article fits the filters." }));
  };

  const open = (index, scroll = true) => {
    if (index < 0 || index >= shown.length) return;
    const buttons = byId("list").querySelectorAll("button");
    if (current >= 0) buttons[current].removeAttribute("aria-current");
    current = index;
    error = -1;
    buttons[index].setAttribute("aria-current", "true");
    if (scroll) buttons[index].scrollIntoView({ block: "nearest" });
    const article = shown[index];
    byId("article").replaceChildren(make("h3", { text: article.id }), text(article), make("h4", { text: "Errors" }), errorList(article));
  };

  const text = (article) => {
    const letters = characters(article.text);
    const edges = new Set([0, letters.length]);
    const spans = [...article.gold.map((s) => ["g", ...s]), ...article.predicted.map((s) => ["p", ...s])];
    for (const [, start, end] of spans) edges.add(start).add(end);
    for (const [start, end] of article.annotated || []) edges.add(start).add(end);
    const known = (from, to) => !article.annotated || article.annotated.some(([start, end]) => start < to && from < end);
    const bad = article.errors.flatMap((e, number) => [...e.gold, ...e.predicted].map((s) => [s[0], s[1], number]));
    const cuts = [...edges].sort((a, b) => a - b);
    const box = make("p", { id: "text" });
    for (let i = 0; i + 1 < cuts.length; i += 1) {
      const [from, to] = [cuts[i], cuts[i + 1]];
      const piece = letters.slice(from, to).join("");
      const over = spans.filter(([, start, end]) => start < to && from < end);
      if (!over.length) {
        box.append(known(from, to) ? piece : make("span", { className: "out", text: piece, title: "not annotated: not scored" }));
        continue;
      }
      const node = make("span", { className: "seg", text: piece });
      const gold = over.find(([side]) => side === "g"), predicted = over.find(([side]) => side === "p");
      if (gold) node.classList.add("g", `l${colour(gold[3])}`);
      if (predicted) node.classList.add("p", `m${colour(predicted[3])}`);
      const here = bad.filter(([start, end]) => start < to && from < end);
      if (here.length) { node.classList.add("bad"); node.dataset.errors = here.map((e) => e[2]).join(" "); }
      node.title = over.map(([side, , , label, score]) => `${side === "g" ? "gold" : "predicted"} ${label}${score === undefined ? "" : ` ${score.toFixed(2)}`}`).join(", ");
      for (const side of ["g", "p"]) {
        const ending = over.filter((s) => s[0] === side && s[2] === to);
        for (const span of ending) {
          const other = over.some((s) => s[0] !== side && s[1] === span[1] && s[2] === span[2] && s[3] === span[3]);
          if (other && side === "p") continue;
          node.append(make("span", { className: "tag", text: `${other ? "" : side === "g" ? "gold " : "predicted "}${span[3]}` }));
        }
      }
      box.append(node);
    }
    return box;
  };

  const errorList = (article) => {
    if (!article.errors.length) return make("p", { text: "None." });
    const letters = characters(article.text);
    const mention = ([start, end, label]) => `“${letters.slice(start, end).join("")}” ${label}`;
    return make("ol", { className: "errors" }, ...article.errors.map((e, number) => {
      const button = make("button", { type: "button", className: "link", text: e.kind });
      button.addEventListener("click", () => showError(number));
      const parts = [];
      if (e.gold.length) parts.push(`gold ${e.gold.map(mention).join(", ")}`);
      if (e.predicted.length) parts.push(`predicted ${e.predicted.map(mention).join(", ")}`);
      return make("li", {}, button, ` ${parts.join("; ")}`);
    }));
  };

  const showError = (number) => {
    const total = current < 0 ? 0 : shown[current].errors.length;
    if (number < 0 || number >= total) return;
    error = number;
    for (const node of document.querySelectorAll("#text .now")) node.classList.remove("now");
    const nodes = [...document.querySelectorAll("#text .bad")].filter((n) => n.dataset.errors.split(" ").includes(String(number)));
    for (const node of nodes) node.classList.add("now");
    if (nodes.length) nodes[0].scrollIntoView({ block: "center" });
  };

  for (const filter of Object.values(filters)) filter.addEventListener("input", list);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const button of document.querySelectorAll("[data-kind]")) {
    button.addEventListener("click", () => { filters.kind.value = button.dataset.kind; list(); byId("browser").scrollIntoView(); byId("browser").focus(); });
  }
  byId("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName || "")) { if (event.key === "Escape") event.target.blur(); return; }
    const keys = {
      j: () => open(current + 1), k: () => open(current - 1),
      n: () => showError(error + 1), p: () => showError(error - 1),
      "/": () => { event.preventDefault(); filters.find.focus(); },
    };
    if (keys[event.key]) keys[event.key]();
  });
  list();
})();
