// Places in a text. They count code points, as the server does; JavaScript's own strings count UTF-16 units.

const WORD = /[\p{L}\p{N}\p{M}\u200c\u200d]/u;
const ALONE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const MARK = /[\p{M}\u200c\u200d]/u;
const BETWEEN = /[\s\p{Cc}\p{Cf}\p{Cs}]/u;

export const lettersOf = (text) => Array.from(text);

// [start, end] of every word, sign and ideograph, each with the marks that combine with it.
export function unitsOf(letters) {
  const units = [];
  let word = false;
  letters.forEach((letter, at) => {
    const last = units[units.length - 1];
    const touches = last && last[1] === at;
    const joins = WORD.test(letter) && !ALONE.test(letter);
    if (touches && (MARK.test(letter) || (word && joins))) last[1] = at + 1;
    else if (BETWEEN.test(letter)) word = false;
    else { units.push([at, at + 1]); word = joins; }
  });
  return units;
}

// Places between what a reader takes for single characters.
export function characterEdges(letters) {
  const edges = [0];
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(letters.join(""))) {
    edges.push(edges[edges.length - 1] + lettersOf(segment).length);
  }
  return edges;
}

// [start, end] of the paragraph that holds a place: what lies between empty lines.
export function paragraphAt(letters, place) {
  const text = letters.join("");
  let start = 0;
  for (const part of text.split(/(\n[^\S\n]*\n)/u)) {
    const end = start + lettersOf(part).length;
    if (place < end) return [start, end];
    start = end;
  }
  return [0, letters.length];
}

// Regions in order, those that touch joined.
export function joined(regions) {
  const found = [];
  for (const [start, end] of [...regions].sort((a, b) => a[0] - b[0])) {
    const last = found[found.length - 1];
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else found.push([start, end]);
  }
  return found;
}

export const overlap = (a, b) => a.start < b.end && b.start < a.end;
export const same = (a, b) => a.start === b.start && a.end === b.end && a.label === b.label;
export const inOrder = (spans) => [...spans].sort((a, b) => a.start - b.start || a.end - b.end || (a.label < b.label ? -1 : 1));

// The records that are not among the known ones. One whose id stands for another text gets an id of its own, so that it takes no place of it.
export function distinct(records, known) {
  const texts = new Map(known.map(({ id, text }) => [id, text]));
  const found = [];
  for (const record of records) {
    let { id } = record;
    if (texts.has(id) && texts.get(id) !== record.text) id = `${id} ${hashOf(record.text)}`;
    if (texts.has(id)) continue;
    texts.set(id, record.text);
    found.push(id === record.id ? record : { ...record, id });
  }
  return found;
}

const ID_WORDS = 6;
const ID_LENGTH = 40;

// The first words of a text and a hash of it. The same text has the same id, so that a correction of it takes the place of an earlier one.
export function idOf(text) {
  const words = text.replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S}]+/gu, " ").trim().split(" ").slice(0, ID_WORDS).join(" ");
  const shown = [...words].slice(0, ID_LENGTH).join("").trim() || "pasted";
  return `${shown} ${hashOf(text)}`;
}

function hashOf(text) {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (const letter of text) {
    a = Math.imul(a ^ letter.codePointAt(0), 2654435761);
    b = Math.imul(b ^ letter.codePointAt(0), 1597334677);
  }
  const hex = (value) => (value >>> 0).toString(16).padStart(8, "0");
  return `(${hex(a ^ (b >>> 16))}${hex(b ^ (a >>> 13))})`;
}
