"use strict";
(() => {
	const list = document.getElementById("rows");
	const tools = document.getElementById("tools");
	if (list && tools) {
		const rows = Array.from(list.querySelectorAll(".row"));
		const search = tools.querySelector("input");
		const shown = tools.querySelector("output");
		const states = Array.from(tools.querySelectorAll("button[data-state]"));
		const orders = Array.from(tools.querySelectorAll("button[data-sort]"));
		const press = (button, on) => button.setAttribute("aria-pressed", on ? "true" : "false");
		const filter = () => {
			const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
			const wanted = states.filter(b => b.getAttribute("aria-pressed") === "true").map(b => b.dataset.state);
			let count = 0;
			for (const row of rows) {
				const text = row.firstElementChild.textContent.toLowerCase();
				const fits = (!wanted.length || wanted.includes(row.dataset.state)) && words.every(w => text.includes(w));
				row.hidden = !fits;
				count += fits;
			}
			shown.textContent = count === rows.length ? "" : count + " of " + rows.length;
		};
		const keys = {
			first: row => +row.dataset.n, time: row => -row.dataset.ms, start: row => +row.dataset.at || Infinity,
		};
		let timer = 0;
		search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 80); });
		for (const button of states)
			button.addEventListener("click", () => { press(button, button.getAttribute("aria-pressed") !== "true"); filter(); });
		for (const button of orders)
			button.addEventListener("click", () => {
				const key = keys[button.dataset.sort];
				for (const other of orders)
					press(other, other === button);
				rows.sort((a, b) => key(a) - key(b) || a.dataset.n - b.dataset.n);
				list.append(...rows);
			});
		tools.hidden = false;
	}
	/* a link into a folded row unfolds it */
	const unfold = () => {
		const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
		if (target && target.tagName === "DETAILS") {
			target.hidden = false;
			target.open = true;
			target.scrollIntoView({ block: "nearest" });
		}
	};
	addEventListener("hashchange", unfold);
	unfold();
})();
