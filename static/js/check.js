// "Check" without leaving the page: what was typed, the secret too, stays in its field.
// Without this file the button sends the form, and the page comes back with the report.

const form = document.querySelector("form[data-check]");

async function check() {
  const report = document.getElementById("report");
  const button = form.querySelector("button[value=check]");
  const words = button.querySelector("span");
  const before = words.textContent;
  const sent = new FormData(form);
  sent.set("act", "check");
  button.setAttribute("aria-busy", "true");
  words.textContent = "Checking";
  try {
    const answer = await fetch(form.action, { method: "POST", body: sent, redirect: "error" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("report");
    // A session that ended, or an error page: let the browser show it.
    if (!fresh) throw new Error("no report");
    report.replaceWith(document.adoptNode(fresh));
    fresh.setAttribute("tabindex", "-1");
    fresh.focus();
  } catch {
    form.requestSubmit(button);
  } finally {
    button.removeAttribute("aria-busy");
    words.textContent = before;
  }
}

form?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.value === "check" && !button.hasAttribute("aria-busy")) {
    event.preventDefault();
    check();
  } else if (button.name === "use_issuer") {
    event.preventDefault();
    document.getElementById("issuer").value = button.value;
    check();
  }
});
