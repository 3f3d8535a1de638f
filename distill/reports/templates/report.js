"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const PAGE = 50;

  /* theme: as the system, light, dark */
  const themes = ["auto", "light", "dark"];
  const themeButton = byId("theme");
  let theme = "auto";
  try { theme = localStorage.getItem("distill-theme") || "auto"; } catch { /* a page from disk may not store */ }
  const showTheme = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const names = { auto: "as the system", light: "light", dark: "dark" };
    themeButton.setAttribute("aria-label", `Colour theme: ${names[theme]}`);
    themeButton.firstChild.textContent = { auto: "◐", light: "○", dark: "●" }[theme];
    themeButton.querySelector(".theme-word").textContent = ` ${theme}`;
  };
  themeButton.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("distill-theme", theme); } catch { /* then it lasts until the page closes */ }
    showTheme();
  });
  showTheme();

  /* the section being read */
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || !links.has(entry.target.id)) continue;
      for (const a of links.values()) a.removeAttribute("aria-current");
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main section")) watcher.observe(section);

  /* the rows */
  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };
  const cellOf = (row) => {
    if (row.teacherRight === null) return "";
    if (row.studentRight) return row.teacherRight ? "both" : "student";
    return row.teacherRight ? "teacher" : "neither";
  };
  const read = ({ slices, words, rows }) => rows.map((r, index) => {
    const word = (number) => (number < 0 ? null : words[number]);
    const row = {
      index, id: r[0], text: r[1], reference: word(r[2]), student: word(r[3]), teacher: word(r[4]),
      studentRight: r[5] === 1, teacherRight: r[6] === 2 ? null : r[6] === 1,
      confidence: r[7], escalated: r[8] === null ? null : r[8] === 1, error: word(r[9]),
      slices: slices.map((_, i) => word(r[10 + i])),
    };
    row.cell = cellOf(row);
    row.haystack = [row.id, row.text, row.reference, row.student, row.teacher, row.error, ...row.slices].join("\n").toLowerCase();
    return row;
  });

  const state = { query: "", filter: "", cell: "", slices: [], sort: null, down: false, page: 0 };
  const passes = {
    wrong: (r) => !r.studentRight,
    differ: (r) => r.student !== r.teacher,
    failed: (r) => r.error !== null,
    kept: (r) => r.escalated === false,
    escalated: (r) => r.escalated === true,
  };
  const select = (all) => {
    const found = all.filter((r) =>
      (!state.cell || r.cell === state.cell) && (!state.filter || passes[state.filter](r)) &&
      (!state.query || r.haystack.includes(state.query)) &&
      state.slices.every((value, i) => !value || r.slices[i] === value));
    if (!state.sort) return found;
    const sign = state.down ? -1 : 1;
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    return found.sort((a, b) => {
      const x = a[state.sort], y = b[state.sort];
      if (x === y) return a.index - b.index;
      if (x === null) return 1;
      if (y === null) return -1;
      return sign * (typeof x === "number" ? x - y : compare(x, y));
    });
  };

  /* hostile text only ever goes through textContent, inside a bdi */
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };
  const isolated = (text, className) => {
    const node = make("bdi", className, text);
    node.dir = "auto";
    return node;
  };
  const textCell = (text, tags) => {
    const cell = make("td");
    const box = make("div", "long");
    box.append(isolated(text));
    cell.append(box);
    if (text.length > 220 || text.split("\n").length > 4) {
      const more = make("button", "more", "show all");
      more.type = "button";
      more.setAttribute("aria-expanded", "false");
      more.addEventListener("click", () => {
        const open = box.classList.toggle("open");
        more.textContent = open ? "show less" : "show all";
        more.setAttribute("aria-expanded", String(open));
      });
      cell.append(more);
    }
    for (const tag of tags) cell.append(isolated(tag, "tag"));
    return cell;
  };
  const answerCell = (text, right, error) => {
    const cell = make("td");
    if (text === null) return cell;
    if (right !== null) {
      const mark = make("span", right ? "mark ok" : "mark no", right ? "✓" : "✕");
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", right ? "right" : "wrong");
      cell.append(mark);
    }
    cell.append(isolated(text));
    if (error) cell.append(make("br"), isolated(error, "tag"));
    return cell;
  };
  const draw = (all) => {
    const found = select(all);
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * PAGE;
    const shown = found.slice(first, first + PAGE);
    byId("rows-body").replaceChildren(...shown.map((r) => {
      const line = make("tr");
      const id = make("td", "num");
      id.append(isolated(r.id));
      const tags = r.slices.filter((value) => value !== null);
      if (r.escalated) tags.push("handed to the teacher");
      line.append(id, textCell(r.text, tags), answerCell(r.reference, null), answerCell(r.student, r.studentRight, r.error),
        answerCell(r.teacher, r.teacherRight), make("td", "num", r.confidence === null ? "–" : r.confidence.toFixed(3)));
      return line;
    }));
    byId("found").textContent = `${found.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} rows`;
    byId("page-note").textContent = found.length ? `${first + 1}–${first + shown.length} of ${found.length.toLocaleString("en")}` : "nothing found";
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page >= pages - 1;
    for (const button of document.querySelectorAll("[data-cell]")) button.setAttribute("aria-pressed", String(button.dataset.cell === state.cell));
    for (const button of document.querySelectorAll("[data-sort]")) {
      const order = state.sort !== button.dataset.sort ? "none" : state.down ? "descending" : "ascending";
      button.parentElement.setAttribute("aria-sort", order);
    }
  };
  const addSliceFilters = (names, all, redraw) => {
    names.forEach((name, i) => {
      const values = [...new Set(all.map((r) => r.slices[i]).filter((v) => v !== null))].sort();
      if (values.length < 2 || values.length > 60) return;
      const label = make("label");
      const menu = make("select");
      menu.append(new Option("all", ""), ...values.map((v) => new Option(v, v)));
      menu.dataset.slice = name;
      menu.addEventListener("change", () => { state.slices[i] = menu.value; state.page = 0; redraw(); });
      label.append(isolated(name), menu);
      byId("slice-filters").append(label);
    });
  };
  const start = async () => {
    const data = await unpack(byId("rows").textContent.trim());
    const all = read(data);
    const redraw = () => draw(all);
    const change = (key, value) => { state[key] = value; state.page = 0; redraw(); };
    state.slices = data.slices.map(() => "");
    addSliceFilters(data.slices, all, redraw);
    byId("query").addEventListener("input", (e) => change("query", e.target.value.toLowerCase()));
    byId("filter").addEventListener("change", (e) => change("filter", e.target.value));
    byId("previous").addEventListener("click", () => { state.page -= 1; redraw(); });
    byId("next").addEventListener("click", () => { state.page += 1; redraw(); });
    byId("reset").addEventListener("click", () => {
      Object.assign(state, { query: "", filter: "", cell: "", slices: data.slices.map(() => ""), sort: null, down: false, page: 0 });
      byId("query").value = "";
      for (const menu of document.querySelectorAll(".tools select")) menu.value = "";
      redraw();
    });
    for (const button of document.querySelectorAll("[data-cell]")) {
      button.addEventListener("click", () => change("cell", state.cell === button.dataset.cell ? "" : button.dataset.cell));
    }
    for (const button of document.querySelectorAll("[data-sort]")) {
      button.addEventListener("click", () => {
        const key = button.dataset.sort;
        state.down = state.sort === key ? !state.down : false;
        change("sort", key);
      });
    }
    redraw();
  };
  start().catch(() => {
    byId("rows-body").replaceChildren(make("tr"));
    byId("rows-body").firstChild.append(make("td", "dim", "This browser cannot unpack the rows; they are in predictions.parquet."));
  });
})();
