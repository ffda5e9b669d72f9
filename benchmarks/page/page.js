(() => {
  "use strict";
  const form = document.getElementById("filters");
  const find = document.getElementById("find");
  const rows = [...document.querySelectorAll("[data-row]")];
  const selects = [...form.querySelectorAll("select")];
  const tallies = [...document.querySelectorAll("[data-only]")];
  const verdict = selects.find((s) => s.dataset.filter === "verdict");

  function shown(row) {
    const text = `${row.dataset.row} ${row.querySelector("summary").textContent}`;
    return (
      selects.every((s) => !s.value || row.dataset[s.dataset.filter] === s.value) &&
      text.toLowerCase().includes(find.value.trim().toLowerCase())
    );
  }

  function apply() {
    let count = 0;
    for (const row of rows) {
      row.hidden = !shown(row);
      count += !row.hidden;
    }
    for (const suite of document.querySelectorAll(".suite")) {
      suite.hidden = !suite.querySelector("[data-row]:not([hidden])");
    }
    for (const button of tallies) {
      button.setAttribute("aria-pressed", button.dataset.only === verdict.value);
    }
    document.getElementById("count").value = `${count} of ${rows.length}`;
  }

  // The address keeps what is shown, so that it can be sent to somebody.
  function remember() {
    const chosen = new URLSearchParams();
    for (const s of selects) if (s.value) chosen.set(s.dataset.filter, s.value);
    if (find.value) chosen.set("find", find.value);
    history.replaceState(null, "", `#${chosen}`);
  }

  function recall() {
    const hash = decodeURIComponent(location.hash.slice(1));
    const row = document.getElementById(hash);
    if (row && row.dataset.row) {
      row.open = true;
      row.scrollIntoView();
      return;
    }
    const chosen = new URLSearchParams(location.hash.slice(1));
    for (const s of selects) {
      const value = chosen.get(s.dataset.filter) || "";
      s.value = [...s.options].some((o) => o.value === value) ? value : "";
    }
    find.value = chosen.get("find") || "";
  }

  form.addEventListener("input", () => (apply(), remember()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => (apply(), remember())));
  for (const button of tallies) {
    button.addEventListener("click", () => {
      const only = button.dataset.only;
      verdict.value = verdict.value === only ? "" : only;
      apply();
      remember();
    });
  }
  document.addEventListener("click", ({ target }) => {
    if (target.matches(".image img")) target.parentElement.classList.toggle("large");
  });
  window.addEventListener("hashchange", () => (recall(), apply()));
  recall();
  apply();
})();
