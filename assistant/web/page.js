// What stands in the input box survives a reload of the tab, the one included that Gradio does by
// itself when a server comes back. It stays in this tab (sessionStorage) and goes when put back.
(() => {
  const KEY = "assistant-box";
  const box = () => document.querySelector("#box textarea");
  addEventListener("pagehide", () => {
    if (box()) sessionStorage.setItem(KEY, box().value);
  });
  const kept = sessionStorage.getItem(KEY);
  if (!kept) return;
  const observer = new MutationObserver(() => {
    if (!box()) return;
    observer.disconnect();
    sessionStorage.removeItem(KEY);
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
