// What the page asks the server, and what it says to the person.

const POLL = 2000; // milliseconds between two looks at a training, and between two questions to a server that does not answer
const NO_ANSWER = "The server does not answer. What was accepted is kept; accept this article again when the server is back.";
const ASKING = "The server does not answer; the page asks it again.";

export const byId = (id) => document.getElementById(id);
export const say = (text) => { byId("status").textContent = text; };
export const complain = (text) => { byId("alert").textContent = text; };
export const wait = () => new Promise((resolve) => { setTimeout(resolve, POLL); });

// An answer that is an error is shown as the server words it, and raised.
// What the page asks by itself (`quiet`) takes no message away that the person has not read.
export async function ask(address, { quiet = false, ...options } = {}) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    if (!quiet) complain(NO_ANSWER);
    else if (!byId("alert").textContent) complain(ASKING);
    throw Object.assign(new Error(address), { away: true });
  }
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    complain(said.error || `The server answered ${response.status}.`);
    throw Object.assign(new Error(address), { status: response.status });
  }
  if (!quiet || byId("alert").textContent === ASKING) complain("");
  return response;
}
export const post = (address, body, { type = "application/json", ...options } = {}) => (
  ask(address, { method: "POST", headers: { "Content-Type": type }, body, ...options })
);
export const lines = (text) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line));

// Do it again until the server answers; an answer that is an error is raised.
export async function untilAnswered(doing) {
  for (;;) {
    try {
      return await doing();
    } catch (error) {
      if (!error.away) throw error;
    }
    await wait();
  }
}
