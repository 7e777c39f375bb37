// The console: a page for each question, chosen by the address after #.

import { ago, el, note } from "./dom.js";
import { connect, subscribe } from "./live.js";

const PAGES = ["now", "viewer", "segments", "churn", "sentiment", "models", "quarantine", "experiments"];
const content = document.getElementById("content");
const pulse = document.getElementById("pulse");
let leave = () => {}, latest = 0;

function links() {
  const named = (page) => page[0].toUpperCase() + page.slice(1);
  document.getElementById("pages").replaceChildren(...PAGES.map((page) => el("a", { href: `#/${page}`, id: `to-${page}` }, named(page))));
}

async function show() {
  const [page, ...rest] = location.hash.replace(/^#\//, "").split("/");
  const chosen = PAGES.includes(page) ? page : "now";
  for (const other of PAGES) document.getElementById(`to-${other}`).toggleAttribute("aria-current", other === chosen);
  document.getElementById(`to-${chosen}`).setAttribute("aria-current", "page");
  document.title = `${chosen[0].toUpperCase()}${chosen.slice(1)} · Audience predictions`;
  const mine = ++latest;
  leave();
  leave = () => {};
  const place = el("div", { "data-page": chosen });
  content.replaceChildren(place);
  try {
    const { open } = await import(`./${chosen}.js`);
    const left = (await open(place, rest.map(decodeURIComponent))) ?? (() => {});
    // Whoever went on meanwhile has left this page already.
    if (mine === latest) leave = left; else left();
  } catch (error) {
    place.append(note(error.message, true));
  }
  place.setAttribute("data-ready", "");
}

function beat(told) {
  const [dot, text] = pulse.children;
  dot.className = told && !told.reasons.length ? "dot good" : "dot bad";
  text.textContent = told ? (told.reasons[0] ?? `generation ${told.known.generation}, ${ago(told.known.age_seconds)} old`) : "no connection";
}

links();
subscribe(beat);
connect();
window.addEventListener("hashchange", show);
show();
