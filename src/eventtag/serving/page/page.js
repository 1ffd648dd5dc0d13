// The page: articles are tagged by the server, corrected here, and kept by the server when they are accepted.
// Text reaches the page only through textContent, so nothing in it is ever parsed as markup.

import { characterEdges, distinct, idOf, inOrder, joined, lettersOf, overlap, paragraphAt, same, unitsOf } from "./text.js";
import { drawCurve } from "./curve.js";
import { ask, byId, complain, lines, post, say, untilAnswered, wait } from "./requests.js";

const COLOURS = 8;

let about = { labels: [], overlapping_spans: false };
let articles = []; // { id, text, meta, letters, units, spans, suggested, regions, accepted, past, seen }
let events = 0; // of the server, when the corrections were read: an article's `seen` is what it was when that was read or accepted
let current = -1;
let chosen = null; // the mention that is worked on
let picked = null; // { start, end } of selected words, with the unit `at` where the selection stands and `from` where it began

const make = (name, options = {}, ...children) => {
  const node = document.createElement(name);
  const { className, text, ...attributes } = options;
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const colour = (label) => `l${about.labels.indexOf(label) % COLOURS}`;
const mention = (article, { start, end }) => article.letters.slice(start, end).join("");
const open = () => articles[current];
const name = () => byId("annotator").value.trim();

function taken(record, accepted = false) {
  const letters = lettersOf(record.text);
  const spans = inOrder((record.spans || []).map(({ start, end, label, score }) => ({ start, end, label, score })));
  const { certainty, source, annotator, ...meta } = record.meta || {};
  const regions = accepted && record.annotated ? record.annotated : [];
  return { id: record.id, text: record.text, meta, certainty, letters, units: unitsOf(letters), spans,
    suggested: accepted ? record.rejected || [] : [...spans], regions, accepted: accepted && !record.annotated, past: [], seen: events };
}

async function tag(records, options) {
  const response = await post("api/tag", JSON.stringify({ articles: records, certainty: true }), options);
  return lines(await response.text()).map((record) => taken(record));
}

async function add(records) {
  const fresh = distinct(records, articles);
  if (!fresh.length) { say("These articles are in the list already."); return; }
  say(`Tagging ${fresh.length} ${fresh.length === 1 ? "article" : "articles"} …`);
  const tagged = await tag(fresh);
  articles.push(...tagged); // only now: another person's articles may have come meanwhile
  say(`${fresh.length} tagged.`);
  if (current < 0) openArticle(articles.findIndex((article) => !article.accepted));
  else showList();
}

async function addFiles(files) {
  for (const file of files) {
    const response = await post(`api/read?name=${encodeURIComponent(file.name)}`, file, { type: "application/octet-stream" });
    const { articles: found, problems } = await response.json();
    await add(found);
    if (problems.length) complain(`${file.name}: ${problems.length} rows cannot be read\n${problems.slice(0, 3).join("\n")}`);
  }
}

// What this person accepted before, also before the server was started.
async function restore() {
  const response = await ask(`api/corrections?annotator=${encodeURIComponent(name())}`, { quiet: true });
  events = Number(response.headers.get("Eventtag-Events"));
  const records = lines(await response.text()).filter((record) => record.meta && record.meta.source === "page");
  const kept = records.map((record) => taken(record, true));
  const parts = kept.filter((article) => article.regions.length);
  const again = parts.length ? await tag(parts.map(({ id, text, meta }) => ({ id, text, meta })), { quiet: true }) : [];
  again.forEach(({ spans }, number) => { // what nobody has accepted yet is suggested as before
    const article = parts[number];
    const outside = spans.filter((span) => !article.regions.some(([start, end]) => overlap(span, { start, end })));
    article.spans = inOrder([...article.spans, ...outside]);
    article.suggested = [...article.suggested, ...outside];
  });
  kept.forEach((article) => { // what was suggested on this page is still known
    const here = articles.find((one) => one.id === article.id);
    const known = here ? here.suggested : [];
    article.suggested = [...known, ...article.suggested.filter((span) => !known.some((one) => same(one, span)))];
  });
  const before = articles.filter((article) => !article.accepted && !article.regions.length);
  articles = [...kept, ...distinct(before, kept)];
  openArticle(articles.findIndex((article) => !article.accepted));
}

async function refresh() {
  const before = about.model_version;
  about = await (await ask("api/about", { quiet: true })).json();
  byId("model").textContent = `model ${about.model_version.slice(0, 12)}, labels ${about.labels.join(", ")}`;
  byId("tools").replaceChildren(...about.labels.map((label, number) => {
    const button = make("button", { type: "button", className: `l${number % COLOURS}` }, label);
    if (number < 9) button.append(" ", make("kbd", { text: String(number + 1) }));
    button.addEventListener("click", () => giveLabel(label));
    return button;
  }));
  const untouched = articles.filter((article) => !article.accepted && !article.regions.length && !article.past.length);
  if (before && before !== about.model_version && untouched.length) {
    const tagged = await tag(untouched.map(({ id, text, meta }) => ({ id, text, meta })), { quiet: true });
    const again = new Map(tagged.map((article) => [article.id, article]));
    articles = articles.map((article) => again.get(article.id) || article);
    say(`The new model has tagged ${again.size} open articles again.`);
    show();
  }
}

// Showing.
function showList() {
  const done = articles.filter((article) => article.accepted).length;
  byId("count").textContent = articles.length ? `${done} of ${articles.length} accepted` : "";
  byId("list").replaceChildren(...articles.map((article, index) => {
    const state = article.accepted ? "accepted" : article.past.length ? "changed" : article.regions.length ? "partly accepted" : "open";
    const button = make("button", { type: "button" }, article.id, make("span", { className: "sub", text: ` ${state}` }));
    if (index === current) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => openArticle(index));
    return make("li", {}, button);
  }));
}

function openArticle(index) {
  current = index;
  chosen = picked = null;
  show();
}

function show() {
  showList();
  const article = open();
  byId("title").textContent = article ? article.id : articles.length ? "All articles are accepted" : "No article is open";
  byId("text").replaceChildren();
  byId("mentions").replaceChildren();
  if (!article) return;
  showText(article);
  byId("mentions").replaceChildren(...article.spans.map((span) => mentionRow(article, span)));
}

function showText(article) {
  const edges = new Set([0, article.letters.length]);
  for (const { start, end } of [...article.spans, ...(picked ? [picked] : [])]) edges.add(start).add(end);
  for (const [start, end] of article.regions) edges.add(start).add(end);
  const cuts = [...edges].sort((a, b) => a - b);
  const pieces = [];
  for (let i = 0; i + 1 < cuts.length; i += 1) {
    const piece = { start: cuts[i], end: cuts[i + 1] };
    const node = make("span", { text: mention(article, piece) });
    const over = article.spans.filter((span) => overlap(span, piece)).sort((a, b) => a.end - a.start - (b.end - b.start));
    if (over.length) {
      node.classList.add("mention", colour(over[0].label));
      const ending = over.filter((span) => span.end === piece.end);
      if (ending.length) node.dataset.label = ending.map((s) => s.label + (s.score === undefined ? "" : ` ${s.score.toFixed(2)}`)).join(" ");
      if (over.includes(chosen)) node.classList.add("chosen");
      node.addEventListener("click", () => { if (getSelection().isCollapsed) choose(over[0]); });
    }
    if (picked && overlap(picked, piece)) node.classList.add("picked");
    if (article.regions.some(([start, end]) => overlap({ start, end }, piece))) node.classList.add("accepted");
    pieces.push(node);
  }
  byId("text").replaceChildren(...pieces);
  const seen = byId("text").querySelector(".chosen, .picked");
  if (seen) seen.scrollIntoView({ block: "nearest" });
}

function mentionRow(article, span) {
  const button = (text, label, action) => {
    const node = make("button", { type: "button", text, "aria-label": `${label}: ${mention(article, span)}` });
    node.addEventListener("click", () => { chosen = span; action(); });
    return node;
  };
  const select = make("select", { "aria-label": `Label of ${mention(article, span)}` },
    ...[...new Set([...about.labels, span.label])].map((label) => make("option", label === span.label ? { text: label, selected: "" } : { text: label })));
  select.addEventListener("change", () => { chosen = span; giveLabel(select.value); });
  const shown = make("button", { type: "button", className: `name ${colour(span.label)}`, text: mention(article, span) });
  shown.addEventListener("click", () => choose(span));
  return make("li", {}, shown, select,
    button("◂|", "Begin a word earlier", () => moveEdge("start", -1)), button("|▸", "Begin a word later", () => moveEdge("start", 1)),
    button("◂]", "End a word earlier", () => moveEdge("end", -1)), button("]▸", "End a word later", () => moveEdge("end", 1)),
    button("Delete", "Delete", remove));
}

// Correcting. Every change can be undone.
function change(next, then = null) {
  const article = open();
  article.past.push({ spans: article.spans, accepted: article.accepted, regions: article.regions });
  article.spans = inOrder(next);
  article.accepted = false;
  chosen = then;
  picked = null;
  show();
}

function undo() {
  const article = open();
  const before = article && article.past.pop();
  if (!before) { say("There is nothing to undo."); return; }
  Object.assign(article, before);
  chosen = picked = null;
  show();
  say("Undone.");
}

function choose(span) {
  chosen = span;
  picked = null;
  showText(open());
  say(`${span.label}: ${mention(open(), span)}`);
}

function put(span, old) {
  const article = open();
  const others = article.spans.filter((other) => other !== old);
  if (others.some((other) => same(other, span))) { say("There is such a mention already."); return; }
  change([...others.filter((other) => about.overlapping_spans || !overlap(other, span)), span], span);
  say(`${span.label}: ${mention(article, span)}`);
}

function giveLabel(label) {
  if (!open()) return;
  if (picked) put({ start: picked.start, end: picked.end, label });
  else if (chosen && chosen.label !== label) put({ start: chosen.start, end: chosen.end, label }, chosen);
  else if (!chosen) say("Choose a mention, or select words.");
}

function remove() {
  if (!chosen) { say("Choose a mention first."); return; }
  const gone = chosen;
  change(open().spans.filter((span) => span !== gone));
  say(`Deleted: ${mention(open(), gone)}`);
}

function moveEdge(side, step, byCharacter = false) {
  if (!chosen) { say("Choose a mention first."); return; }
  const article = open();
  const edges = byCharacter ? characterEdges(article.letters) : article.units.map((unit) => unit[side === "start" ? 0 : 1]);
  const place = step < 0 ? edges.filter((edge) => edge < chosen[side]).pop() : edges.find((edge) => edge > chosen[side]);
  const moved = { start: chosen.start, end: chosen.end, label: chosen.label, [side]: place };
  if (place === undefined || moved.start >= moved.end) { say("It cannot be moved further."); return; }
  put(moved, chosen);
}

function step(by, extend) {
  const { units } = open();
  if (!units.length) return;
  const place = chosen ? chosen.start : 0;
  const before = picked ? picked.at : units.findIndex((unit) => unit[1] > place) - (by > 0 && !chosen ? 1 : 0);
  const at = Math.min(units.length - 1, Math.max(0, before + by));
  const from = extend && picked ? picked.from : at;
  picked = { start: units[Math.min(at, from)][0], end: units[Math.max(at, from)][1], at, from };
  chosen = null;
  showText(open());
  say(mention(open(), picked));
}

function nextMention(by) {
  const { spans } = open();
  if (!spans.length) { say("There is no mention."); return; }
  const here = chosen ? spans.indexOf(chosen) : by > 0 ? -1 : 0;
  choose(spans[(here + by + spans.length) % spans.length]);
}

// What the mouse has selected, in code points; white space at its ends is left out.
function takeSelection() {
  const selection = getSelection();
  const box = byId("text");
  if (!open() || selection.isCollapsed || !box.contains(selection.anchorNode) || !box.contains(selection.focusNode)) return;
  const range = selection.getRangeAt(0);
  const before = document.createRange();
  before.selectNodeContents(box);
  before.setEnd(range.startContainer, range.startOffset);
  const { letters, units } = open();
  let start = lettersOf(before.toString()).length;
  let end = start + lettersOf(range.toString()).length;
  while (start < end && /\s/u.test(letters[start])) start += 1;
  while (start < end && /\s/u.test(letters[end - 1])) end -= 1;
  if (start === end) return;
  const at = Math.max(0, units.findIndex((unit) => unit[1] > start));
  picked = { start, end, at, from: at };
  chosen = null;
  selection.removeAllRanges();
  showText(open());
  say(mention(open(), picked));
}

// Accepting: the server has it on its disk when it answers.
async function accept(region = null) {
  const article = open();
  if (!article) return;
  const regions = region ? joined([...article.regions, region]) : null;
  const inside = (span) => !regions || regions.some(([start, end]) => start <= span.start && span.end <= end);
  const spans = article.spans.filter(inside).map(({ start, end, label }) => ({ start, end, label }));
  const rejected = article.suggested.filter((span) => inside(span) && !article.spans.some((kept) => same(kept, span)));
  const record = { id: article.id, text: article.text, meta: article.meta, spans, ...(regions ? { annotated: regions } : {}) };
  const body = { annotator: name(), article: record, since: article.seen,
    rejected: rejected.map(({ start, end, label }) => ({ start, end, label })) };
  const sent = article.spans;
  const response = await post("api/corrections", JSON.stringify(body)).catch((error) => {
    if (error.status === 409) article.seen = undefined; // whoever accepts it once more has read why
    throw error;
  });
  article.seen = Number(response.headers.get("Eventtag-Events"));
  const answer = await response.json();
  say(`Kept; there are ${answer.corrections} corrections.`);
  if (article.spans !== sent) { // it was corrected while the server wrote: that is not kept yet
    complain("The article was changed while it was being kept. Accept it again to keep the change.");
    showList();
    return;
  }
  article.past = []; // the server has it now: it is changed by correcting and accepting it again
  article.regions = regions || [];
  article.accepted = !regions;
  if (regions || open() !== article) show();
  else nextArticle(1);
}

const acceptPart = () => {
  const place = picked || chosen;
  if (!place) { say("Select a word of the paragraph first."); return; }
  accept(paragraphAt(open().letters, place.start)).catch(() => {});
};

function nextArticle(by) {
  for (let more = 1; more <= articles.length; more += 1) {
    const index = (current + by * more + articles.length * more) % articles.length;
    if (!articles[index].accepted) { openArticle(index); return; }
  }
  openArticle(-1);
}

// Training.
async function showTrainings() {
  const state = await (await ask("api/training", { quiet: true })).json();
  byId("trainings").replaceChildren(...state.trainings.map((one) => make("li", { text: `${one.corrections} corrections: ${one.message}` })));
  byId("training").textContent = state.running ? "A training goes on." : "";
  drawCurve(byId("curve"), state.trainings.filter((one) => one.state === "done"));
  return state.running;
}

async function watchTraining() {
  while (await untilAnswered(showTrainings)) await wait();
  await untilAnswered(refresh);
}

const keys = {
  j: () => nextMention(1), k: () => nextMention(-1), x: remove, Delete: remove, Backspace: remove, u: undo, c: acceptPart,
  n: () => nextArticle(1), p: () => nextArticle(-1), Enter: () => accept().catch(() => {}),
  ArrowRight: (event) => step(1, event.shiftKey), ArrowLeft: (event) => step(-1, event.shiftKey),
};
const EDGES = { "[": ["start", -1], "]": ["start", 1], "{": ["end", -1], "}": ["end", 1] };

document.addEventListener("keydown", (event) => {
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "Enter" && /^(BUTTON|A|SUMMARY)$/.test(event.target.tagName)) return;
  if (!open() || event.metaKey) return;
  let action = null;
  if (event.ctrlKey) action = event.key === "z" ? undo : null;
  else if (EDGES[event.key]) action = () => moveEdge(...EDGES[event.key], event.altKey);
  else if (/^[1-9]$/.test(event.key) && about.labels[event.key - 1]) action = () => giveLabel(about.labels[event.key - 1]);
  else if (!event.altKey) action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  addFiles([...event.dataTransfer.files]).catch(() => {});
});
window.addEventListener("beforeunload", (event) => {
  if (articles.some((article) => article.past.length)) event.preventDefault();
});
byId("text").addEventListener("mouseup", takeSelection);
byId("files").addEventListener("change", (event) => { addFiles([...event.target.files]).catch(() => {}); event.target.value = ""; });
byId("paste").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("pasted").value;
  if (!text.trim()) return;
  add([{ id: idOf(text), text }]).then(() => {
    byId("pasted").value = "";
    openArticle(articles.findIndex((article) => article.id === idOf(text)));
    byId("text").focus();
  }).catch(() => {});
});
byId("accept").addEventListener("click", () => { accept().catch(() => {}); });
byId("part").addEventListener("click", acceptPart);
byId("undo").addEventListener("click", undo);
byId("next").addEventListener("click", () => nextArticle(1));
byId("train").addEventListener("click", () => { post("api/training", "").then(watchTraining).catch(() => {}); });
try { byId("annotator").value = localStorage.getItem("annotator") || ""; } catch { /* the browser keeps nothing */ }
byId("annotator").addEventListener("change", () => {
  try { localStorage.setItem("annotator", name()); } catch { /* the name is asked for again */ }
  untilAnswered(restore).catch(() => {});
});
say("");
untilAnswered(refresh).then(() => untilAnswered(restore)).then(watchTraining).catch(() => {});
