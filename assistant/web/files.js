// A file (notebook, log, script, screenshot) becomes text in the input box: chosen with the button,
// dropped on the page, or pasted as a picture. The server reads it; nothing of it is kept there.
(() => {
  const box = () => document.querySelector("#box textarea");
  const say = (text) => {
    let note = document.querySelector("#file-note");
    if (!note) {
      note = document.createElement("p");
      note.id = "file-note";
      note.setAttribute("role", "status");
      document.querySelector("#box").append(note);
    }
    note.textContent = text;
  };
  const put = (text) => {
    const before = box().value.trim() ? `${box().value.trimEnd()}\n\n` : "";
    box().value = before + text;
    box().dispatchEvent(new Event("input", { bubbles: true }));
    box().focus();
  };
  const send = (file) => fetch("api/read", {
    method: "POST",
    headers: {
      "content-type": "application/octet-stream",
      "x-file-name": encodeURIComponent([...file.name].slice(-200).join("")),
    },
    body: file,
  });
  // what the server says in its own words; a page (of a proxy, or the one that asks for a token) is
  // no such words
  const wordsOf = async (answer) => {
    const kind = answer.headers.get("content-type") || "";
    if (kind.includes("json")) return answer.json();
    if (kind.includes("text/plain")) return { error: await answer.text() };
    return {};
  };
  const read = async (file) => {
    if (!box()) return;
    say(`Reading ${file.name} …`);
    try {
      await file.slice(0, 1).arrayBuffer();
    } catch {
      say(`Your browser cannot read ${file.name}: it is a folder, or it was moved or changed ` +
        "after you chose it. Choose the file again, or paste its text.");
      return;
    }
    try {
      const answer = await send(file);
      const said = await wordsOf(answer);
      if (!answer.ok || said.text === undefined) {
        say(said.error || `${file.name} was refused (${answer.status}). Load this page again.`);
        return;
      }
      put(said.text);
      say([`Read ${file.name}. Look it over, then press Send.`, ...said.notices].join(" "));
    } catch {
      say(`${file.name} could not be sent: the server is away, or the file is too large. ` +
        "Paste the end of its text instead.");
    }
  };
  const chooser = document.createElement("input");
  chooser.type = "file";
  chooser.accept = ".ipynb,.log,.txt,.py,.png,.jpg,.jpeg";
  chooser.addEventListener("change", () => {
    if (chooser.files.length) read(chooser.files[0]);
    chooser.value = "";
  });
  addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest("#file")) chooser.click();
  });
  const holdsFiles = (data) => data && [...data.types].includes("Files");
  addEventListener("dragover", (event) => {
    if (holdsFiles(event.dataTransfer)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!holdsFiles(event.dataTransfer)) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) read(event.dataTransfer.files[0]);
  });
  // a copied table or web page brings a picture of itself along: then its text is what was meant
  addEventListener("paste", (event) => {
    const data = event.clipboardData;
    if (!holdsFiles(data) || !data.files.length || data.getData("text/plain")) return;
    event.preventDefault();
    read(data.files[0]);
  }, true);
})();
