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
  const read = async (file) => {
    if (!box()) return;
    say(`Reading ${file.name} …`);
    try {
      const answer = await fetch("api/read", {
        method: "POST",
        headers: {
          "content-type": "application/octet-stream",
          "x-file-name": encodeURIComponent(file.name.slice(-200)),
        },
        body: file,
      });
      const kind = answer.headers.get("content-type") || "";
      const said = kind.includes("json") ? await answer.json() : { error: await answer.text() };
      if (!answer.ok) return say(said.error);
      put(said.text);
      say([`Read ${file.name}. Look it over, then press Send.`, ...said.notices].join(" "));
    } catch {
      say(`${file.name} could not be sent: the server is away, or the file is too large.`);
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
