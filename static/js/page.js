// Small comforts. Every page works without this file.

const announcements = document.getElementById("announcements");

function announce(sentence) {
  if (!announcements) return;
  announcements.textContent = "";
  // A change is announced, a rewrite with the same words is not.
  requestAnimationFrame(() => { announcements.textContent = sentence; });
}

// A refused form: the summary gets the focus, so that it is read and reached first.
document.getElementById("summary")?.focus();

// Copy buttons: hidden until there is something that can copy.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const fields = button.dataset.copy.split(" ").map((id) => document.getElementById(id));
      const text = fields.map((field) => field.value ?? field.innerText.trim()).join("\n");
      const words = button.querySelector("span");
      try {
        await navigator.clipboard.writeText(text);
        const before = words.textContent;
        words.textContent = "Copied";
        announce("Copied");
        setTimeout(() => { words.textContent = before; }, 2000);
      } catch {
        fields[0].select?.();
        announce("Not copied. It is selected: copy it with the keyboard.");
      }
    });
  }
}

// The account menu closes on Escape, on a click elsewhere, and when the focus leaves it.
for (const menu of document.querySelectorAll("details.menu")) {
  const summary = menu.querySelector("summary");
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    summary.focus();
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
}

// A link into a folded part opens it.
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const fold = target && (target.querySelector(":scope > details") ?? target.closest("details"));
  if (fold) fold.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();

// The guide is long: on a phone it stays folded until it is asked for.
if (matchMedia("(max-width: 40rem)").matches && !location.hash) {
  for (const fold of document.querySelectorAll("details[data-fold-on-phone]")) fold.open = false;
}
