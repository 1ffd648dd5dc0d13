// The learning curve: F1 of the trainings by the number of corrections, each with its interval.

const SVG = "http://www.w3.org/2000/svg";
const [LEFT, TOP, WIDTH, HEIGHT] = [40, 12, 300, 150];

export function drawCurve(svg, trainings) {
  const points = trainings.map(({ corrections, scores }) => ({ at: corrections, ...scores.new }));
  if (trainings.length) points.unshift({ at: 0, ...trainings[0].scores.in_force });
  svg.toggleAttribute("hidden", !points.length);
  svg.replaceChildren();
  if (!points.length) return;
  const put = (name, attributes, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    svg.append(node);
  };
  const most = Math.max(...points.map((point) => point.at), 1);
  const x = (value) => LEFT + (WIDTH * value) / most;
  const y = (value) => TOP + HEIGHT * (1 - value);
  for (const tick of [0, 0.5, 1]) {
    put("line", { class: "axis", x1: LEFT, x2: LEFT + WIDTH, y1: y(tick), y2: y(tick) });
    put("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, String(100 * tick));
  }
  put("text", { x: LEFT + WIDTH, y: TOP + HEIGHT + 30, "text-anchor": "end" }, "corrections; F1 in percent");
  put("polyline", { class: "curve", points: points.map((point) => `${x(point.at)},${y(point.f1)}`).join(" ") });
  for (const point of points) {
    if (point.low !== null) put("line", { class: "curve", x1: x(point.at), x2: x(point.at), y1: y(point.low), y2: y(point.high) });
    put("circle", { cx: x(point.at), cy: y(point.f1), r: 4 });
    put("text", { x: x(point.at), y: TOP + HEIGHT + 15, "text-anchor": "middle" }, String(point.at));
  }
}
