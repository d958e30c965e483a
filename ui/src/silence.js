// Shows what the matchers of the form match while they are written.
const form = document.querySelector('form.sheet');
const matchers = form.elements.matchers;
const look = document.getElementById('look');
look.hidden = true;

let waiting;
matchers.addEventListener('input', () => {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const asked = matchers.value;
    const answer = await fetch(`preview?${new URLSearchParams({ matchers: asked })}`).catch(() => null);
    if (!answer?.ok || asked !== matchers.value) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    document.getElementById('preview').replaceChildren(...fresh.getElementById('preview').childNodes);
  }, 250);
});
