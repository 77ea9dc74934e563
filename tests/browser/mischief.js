// Whatever a reader can do, in haste: other pages, odd addresses, other sizes, none, pointers.
async ([seed, steps]) => {
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const pick = (list) => list[Math.floor(random() * list.length)];
  const sections = ["overview", "health", "sessions", "adoption", "audience", "quality", "definitions"];
  const ranges = ["", "?days=7", "?days=90", "?model=v2v-turbo&plan=free", "?country=DE", "?from=2026-11-20&to=2026-11-20",
    "?from=-271821-04-20&to=2026-11-01", "?from=0001-01-01&to=0002-01-01", "?model=unheard-of", "?from=x&days=x"];
  const act = {
    go: () => { location.hash = pick(sections) + pick(ranges); },
    replace: () => location.replace(`#${pick(sections)}${pick(ranges)}`),
    point: () => {
      const canvas = pick([...document.querySelectorAll("canvas")]), box = canvas?.getBoundingClientRect();
      const at = { bubbles: true, clientX: box?.x + random() * box?.width, clientY: box?.y + random() * box?.height };
      for (const kind of ["mousemove", "mousedown", "mouseup", "click"]) canvas?.dispatchEvent(new MouseEvent(kind, at));
    },
    table: () => pick([...document.querySelectorAll(".tools button:first-child")])?.click(),
    narrow: () => { document.getElementById("main").style.width = pick(["", "320px", "60%", "0"]); },
    vanish: () => { document.getElementById("charts").style.display = pick(["", "none"]); },
    theme: () => {
      const theme = document.getElementById("theme");
      theme.value = pick(["", "light", "dark"]);
      theme.dispatchEvent(new Event("change"));
    },
  };
  for (let step = 0; step < steps; step += 1) {
    act[pick(Object.keys(act))]();
    if (random() < 0.5) await new Promise((done) => setTimeout(done, random() * 60));
  }
  document.getElementById("main").style.width = document.getElementById("charts").style.display = "";
  location.hash = "overview";
  await new Promise((done) => setTimeout(done, 500));
}
