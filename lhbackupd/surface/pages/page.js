// Keeps the page up to date: when the daemon says that something has changed, what is in <main> is fetched anew.
// Nothing here changes anything but the page; without it the page is the same, and is loaded anew by hand.
"use strict";

const EVERY = 60_000; // ages in words grow old: fetch anew at least so often (ms)
const SOONEST = 1_000, LATEST = 60_000; // ms between two attempts to hear the daemon
const main = () => document.getElementById("main");
let stream = null, wait = SOONEST, again = null, busy = false, wanted = false, fetched = Date.now();

// not while somebody fills in a form, has chosen text, or looks elsewhere
function occupied() {
  const active = document.activeElement, chosen = getSelection();
  return document.hidden || (active && active.closest("main form")) ||
    (chosen && !chosen.isCollapsed && main().contains(chosen.anchorNode));
}

// how to find an element again in new content: by id, or by its place among its like
function place(element) {
  if (element.id) return () => document.getElementById(element.id);
  const href = element.getAttribute("href");
  const like = element.localName + (href === null ? "" : `[href="${CSS.escape(href)}"]`);
  const index = [...main().querySelectorAll(like)].indexOf(element);
  return () => main().querySelectorAll(like)[index];
}

function replace(next) {
  const old = main(), active = old.contains(document.activeElement) ? document.activeElement : null;
  const focus = active && active !== old ? place(active) : null;
  const open = [...old.querySelectorAll("details[open]")].map((one) => one.id);
  const verdict = old.querySelector("h1").textContent, scroll = [scrollX, scrollY];
  old.replaceChildren(...next.childNodes);
  old.dataset.version = next.dataset.version;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  prepare();
  focus?.()?.focus({ preventScroll: true });
  scrollTo(...scroll);
  const said = old.querySelector("h1").textContent;
  if (said !== verdict) document.getElementById("said").textContent = said;
}

// a page that nobody keeps up to date any more must not be believed
function stale(yes) { document.getElementById("stale").hidden = !yes; }

async function refresh() {
  if (busy || occupied()) { wanted = true; return; }
  busy = true; wanted = false;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (occupied()) { wanted = true; return; }
    replace(page.getElementById("main"));
    document.title = page.title;
    fetched = Date.now();
    stale(false);
  } catch { stale(true); } finally { busy = false; }
}

function listen() {
  clearTimeout(again);
  if (document.hidden || stream) return;
  stream = new EventSource(document.body.dataset.events);
  stream.addEventListener("changed", (event) => {
    wait = SOONEST;
    if (event.data !== main().dataset.version) refresh();
  });
  stream.onerror = () => { // the browser's own second attempt would come at once, and none after a refusal
    hang_up();
    refresh(); // the daemon may be gone, or only have too many listeners
    again = setTimeout(listen, wait * (0.5 + Math.random()));
    wait = Math.min(2 * wait, LATEST);
  };
}

function hang_up() { stream?.close(); stream = null; }

// buttons that copy are of no use without this
function prepare() { for (const button of main().querySelectorAll("button.copy")) button.hidden = false; }

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const code = button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2_000);
  } catch { getSelection().selectAllChildren(code); }
});
// a hidden page lets go of its connection: browsers have six for each server
document.addEventListener("visibilitychange", () => { document.hidden ? hang_up() : (wanted = true, listen()); });
addEventListener("pagehide", hang_up);
setInterval(() => { if (wanted || Date.now() - fetched > EVERY) refresh(); }, 1_000);
prepare();
listen();
