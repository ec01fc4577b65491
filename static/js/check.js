// "Check" without leaving the page: what was typed, the secret too, stays in its field.
// Without this file the button sends the form, and the page comes back with the report.

const form = document.querySelector("form[data-check]");
const issuer = form?.querySelector("#issuer");
let checked = issuer?.value;

// After leaving a field the report is read out, and the focus stays where the person went.
let isAskedFor = false;

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
    if (isAskedFor) {
      fresh.setAttribute("tabindex", "-1");
      fresh.focus();
    } else {
      fresh.setAttribute("role", "status");
      // The report grows above or below: whoever went on keeps their place in sight.
      document.activeElement?.scrollIntoView({ block: "nearest" });
    }
  } catch {
    if (isAskedFor) form.requestSubmit(button);
  } finally {
    button.removeAttribute("aria-busy");
    words.textContent = before;
    isAskedFor = false;
  }
}

form?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.value === "check") {
    event.preventDefault();
    isAskedFor = true;
    if (!button.hasAttribute("aria-busy")) check();
  } else if (button.name === "use_issuer") {
    event.preventDefault();
    isAskedFor = true;
    issuer.value = checked = button.value;
    check();
  }
});

// On leaving the issuer: once for each address, so that the provider is not asked again and again.
issuer?.addEventListener("change", () => {
  const button = form.querySelector("button[value=check]");
  if (!issuer.value.trim() || issuer.value === checked || button.hasAttribute("aria-busy")) return;
  checked = issuer.value;
  check();
});
