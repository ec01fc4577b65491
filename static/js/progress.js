// Progress of work in the background: the bar moves without the page being loaded again.
// Without this file "Look again" shows how it stands.

async function look() {
  const bar = document.querySelector("[data-progress]");
  try {
    const answer = await fetch(location.href, { redirect: "error" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-progress]");
    if (!fresh) {
      location.reload();
      return;
    }
    bar.replaceChildren(...document.adoptNode(fresh).childNodes);
    setTimeout(look, 1500);
  } catch {
    // The portal restarts, or the session ended: look less often.
    setTimeout(look, 5000);
  }
}

setTimeout(look, 1500);
