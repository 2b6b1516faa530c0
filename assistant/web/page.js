// What stands in the input box survives a reload of the tab, a crash of the browser, and the reload
// that happens by itself when a server comes back. It stays in this tab (sessionStorage).
(() => {
  const KEY = "assistant-box";
  const box = () => document.querySelector("#box textarea");
  const keep = () => {
    if (!box()) return;
    try { sessionStorage.setItem(KEY, box().value); } catch { /* larger than a browser keeps */ }
  };
  addEventListener("pagehide", keep);
  addEventListener("input", (event) => { if (event.target === box()) keep(); });
  const kept = sessionStorage.getItem(KEY);
  if (!kept) return;
  const observer = new MutationObserver(() => {
    if (!box()) return;
    observer.disconnect();
    if (box().value) return;
    box().value = kept;
    box().dispatchEvent(new Event("input", { bubbles: true }));
  });
  observer.observe(document.documentElement, { childList: true, subtree: true });
})();

// The first line of a new answer is what to do: keep its top in view while it grows, until the
// reader scrolls. Gradio's own scrolling would follow the end of the text instead.
(() => {
  let count = 0;
  let pinned = null;
  const release = () => { pinned = null; };
  for (const kind of ["wheel", "touchmove", "keydown", "mousedown"]) {
    addEventListener(kind, release, { passive: true, capture: true });
  }
  const scroller = (element) => {
    let parent = element.parentElement;
    while (parent && !/(auto|scroll)/.test(getComputedStyle(parent).overflowY)) {
      parent = parent.parentElement;
    }
    return parent;
  };
  const follow = () => {
    const answers = document.querySelectorAll('#chat [data-testid="bot"]');
    if (answers.length > count) {
      pinned = answers[answers.length - 1];
      // on a phone the Send button stands a screen below the chat
      const chat = document.querySelector("#chat");
      if (chat.getBoundingClientRect().top < 0) chat.scrollIntoView({ block: "start" });
    }
    count = answers.length;
    if (!pinned || !pinned.isConnected) return;
    const parent = scroller(pinned);
    if (!parent) return;
    const offset = pinned.getBoundingClientRect().top - parent.getBoundingClientRect().top;
    parent.scrollTop += offset - 8;
  };
  new MutationObserver(follow).observe(document.documentElement, { childList: true, subtree: true });
})();

// When the server is away the page says so; when it is back (or is another one) the page is loaded
// anew: the conversation comes from the server, the text in the box from the lines above.
(() => {
  const SLOW = 10000;
  const FAST = 1500;
  let timer = 0;
  let server = "";
  let away = false;
  const say = () => {
    if (document.querySelector("#away")) return;
    const banner = document.createElement("div");
    banner.id = "away";
    banner.setAttribute("role", "alert");
    banner.textContent = "The server is away. Your text is kept in this tab, and the page comes "
      + "back by itself. If you stopped the server, start it again.";
    document.body.append(banner);
  };
  const look = async () => {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        const signal = AbortSignal.timeout(5000);
        const answer = await fetch("gradio_api/app_id", { cache: "no-store", signal });
        if (!answer.ok && answer.status !== 401) throw new Error("away");
        const now = answer.ok ? (await answer.json()).app_id : "another";
        if (away || (server && now !== server)) location.reload();
        server = now;
      } catch {
        away = true;
        say();
      }
    }
    clearTimeout(timer);
    timer = setTimeout(look, away ? FAST : SLOW);
  };
  addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  // Gradio may put this script in after the page has loaded
  if (document.readyState === "complete") look();
  else addEventListener("load", look);
})();

// The memory panel is read again every ten seconds while it is open and this tab is in front, but
// not on a busy machine.
(() => {
  let last = 0;
  setInterval(() => {
    const button = document.querySelector("#panel-refresh");
    if (document.hidden || !button || button.offsetParent === null) return;
    if (Date.now() - last < 10000) return;
    const panel = document.querySelector("#panel");
    if (panel && panel.textContent.includes("only when you press Refresh")) return;
    last = Date.now();
    button.click();
  }, 500);
})();

// A citation leads to what the sentence rests on: the entry above, with its whole text unfolded.
addEventListener("click", (event) => {
  const link = event.target.closest && event.target.closest('#chat a[href^="#cite-"]');
  if (!link) return;
  event.preventDefault();
  const message = link.closest('[data-testid="bot"]');
  const title = message && message.querySelector("h3");
  for (const part of message ? message.querySelectorAll("details") : []) {
    if (/whole entry/.test(part.querySelector("summary").textContent)) part.open = true;
  }
  if (!title) return;
  title.scrollIntoView({ block: "nearest" });
  title.classList.add("cited");
  setTimeout(() => title.classList.remove("cited"), 1500);
});
