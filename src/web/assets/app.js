/* The dashboard's page: one store of what the server tells, views that draw it. Text from outside becomes text nodes only. */
"use strict";

/* --- small things --- */

const $ = id => document.getElementById(id);
const svgSpace = "http://www.w3.org/2000/svg";

/* an element: properties by name, on... handlers, children */
function fill(node, properties, children) {
	for (const [key, value] of Object.entries(properties || {})) {
		if (value === undefined || value === null || value === false)
			continue;
		if (key.startsWith("on"))
			node.addEventListener(key.slice(2), value);
		else if (key === "class")
			node.setAttribute("class", value);
		else
			node.setAttribute(key, value === true ? "" : value);
	}
	node.append(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
	return node;
}
const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);
/* in place of what is in it */
const put = (node, ...children) => node.replaceChildren(...children.flat(2).filter(child => child !== null && child !== undefined && child !== false));
const s = (tag, properties, ...children) => fill(document.createElementNS(svgSpace, tag), properties, children);

/* names and lines are data: nothing in them turns the direction of writing, or is invisible */
const clean = text => String(text ?? "").replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g, "\ufffd");
/* a line of output without the control sequences of terminals */
const bare = text => clean(String(text ?? "").replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g, "").replace(/\t/g, " ").replace(/[\r\n]+/g, ""));
/* how far its work is, as that says itself: of its tasks, else as it likes; "": nothing is known */
function progress(stream) {
	const said = stream.s === "completed" ? null : stream.q;
	if (stream.k && (stream.k[0] || stream.s === "completed" || !(said || stream.qt)))
		return stream.k[0] + "/" + stream.k[1];
	if (said)
		return said[1] === 100 ? said[0] + "%" : said[0] + "/" + said[1];
	return stream.s !== "completed" && stream.qt ? clean(stream.qt).slice(0, 20) : "";
}

function duration(ms) {
	if (!(ms >= 0))
		return "–";
	const seconds = Math.floor(ms / 1000);
	if (ms < 1000)
		return (ms / 1000).toFixed(2) + "s";
	if (seconds < 60)
		return (ms < 10000 ? (ms / 1000).toFixed(1) : seconds) + "s";
	if (seconds < 3600)
		return Math.floor(seconds / 60) + "m " + String(seconds % 60).padStart(2, "0") + "s";
	if (seconds < 86400)
		return Math.floor(seconds / 3600) + "h " + String(Math.floor(seconds / 60) % 60).padStart(2, "0") + "m";
	return Math.floor(seconds / 86400) + "d " + Math.floor(seconds / 3600) % 24 + "h";
}
/* the same that changes once a second */
/* of an unknown currency, from millionths */
const money = micros => (micros / 1e6).toFixed(micros > 0 && micros < 100000 ? 4 : 2);
const ticking = ms => duration(ms < 10000 ? Math.floor(ms / 1000) * 1000 : ms).replace(/^0\.00s$/, "0s").replace(/\.0s$/, "s");
const bytes = n => n < 1024 ? n + " B" : n < 1048576 ? (n / 1024).toFixed(1) + " KiB" : (n / 1048576).toFixed(1) + " MiB";
const clock = ms => new Date(ms).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
function ago(ms) {
	const past = now() - ms;
	return past < 60000 ? "just now" : duration(past).split(" ")[0] + " ago";
}
const plural = (n, word) => n + " " + word + (n === 1 ? "" : "s");

const states = ["failed", "running", "backoff", "held", "ready", "waiting", "skipped", "cancelled", "completed"];
const stateRank = Object.fromEntries(states.map((name, rank) => [name, rank]));
const marks = { completed: "✓", failed: "✕", running: "", held: "Ⅱ", backoff: "↻", ready: "•", waiting: "·", skipped: "–", cancelled: "–" };
const tones = { completed: "good", failed: "bad", running: "run", held: "warn", backoff: "warn", skipped: "warn", cancelled: "warn",
	paused: "warn", stopping: "warn", stopped: "warn", crashed: "bad" };
const isLive = state => state === "running" || state === "paused" || state === "stopping";
const hasEnded = state => state === "completed" || state === "failed" || state === "skipped" || state === "cancelled";
const outcomeTone = outcome => outcome === null ? "o-run" : outcome === "success" || outcome === "unchanged" ? "o-good"
	: outcome === "stopped" ? "o-warn" : "o-bad";
const pill = (state, tone) => h("span", { class: "pill " + (tone || tones[state] || "") }, state);

let skew = 0; /* the server's clock less ours */
const now = () => Date.now() + skew;

/* --- the server --- */

let token = "";
let hello = { acts: [] };

function takeToken() {
	const found = /^#token=([0-9a-zA-Z]+)$/.exec(location.hash);
	try {
		if (found) {
			sessionStorage.setItem("orch-token", found[1]);
			history.replaceState(null, "", "#/");
		}
		token = found ? found[1] : sessionStorage.getItem("orch-token") || "";
	} catch {
		token = found ? found[1] : "";
	}
}

const headers = () => ({ Authorization: "Bearer " + token });

async function ask(path, parameters, body) {
	const query = new URLSearchParams(parameters || {}).toString();
	const response = await fetch("/api/" + path + (query ? "?" + query : ""), body
		? { method: "POST", headers: { ...headers(), "Content-Type": "application/json" }, body: JSON.stringify(body) }
		: { headers: headers() });
	const answer = await response.json();
	if (response.status === 401)
		askForToken();
	if (!response.ok)
		throw new Error(answer.error || "status " + response.status);
	return answer;
}

/* Server-sent events by fetch, since an EventSource cannot send a token. It comes back by itself, and rests while nobody
   looks at the page. */
class Feed {
	constructor(path, parameters, handlers, quiet) {
		Object.assign(this, { path, parameters, handlers, quiet, delay: 500, over: false });
		Feed.all.add(this);
		this.open();
	}
	close() {
		this.over = true;
		Feed.all.delete(this);
		clearTimeout(this.timer);
		this.abort?.abort();
	}
	rest() {
		clearTimeout(this.timer);
		this.abort?.abort();
		this.resting = true;
	}
	wake() {
		if (this.resting && !this.over) {
			this.resting = false;
			this.open();
		}
	}
	again() {
		if (this.over || this.resting)
			return;
		if (!this.quiet)
			showLink("off", "reconnecting");
		this.timer = setTimeout(() => this.open(), this.delay * (0.7 + 0.6 * Math.random()));
		this.delay = Math.min(this.delay * 2, 10000);
	}
	async open() {
		const abort = this.abort = new AbortController();
		try {
			const response = await fetch("/api/" + this.path + "?" + new URLSearchParams(this.parameters), { headers: headers(), signal: abort.signal });
			if (response.status === 401) {
				this.close();
				askForToken();
				return;
			}
			if (!response.ok) {
				const answer = await response.json();
				this.handlers.refused?.(answer.error || "status " + response.status);
				if (response.status === 404 || response.status === 400) {
					this.close();
					return;
				}
				throw new Error(answer.error);
			}
			this.handlers.opened?.();
			if (!this.quiet)
				showLink("on", "live");
			await this.read(response.body.pipeThrough(new TextDecoderStream()).getReader());
		} catch (error) {
			if (abort.signal.aborted)
				return;
			if (!(error instanceof TypeError))
				console.warn(String(error));
		}
		this.again();
	}
	async read(reader) {
		let rest = "";
		for (;;) {
			const { value, done } = await reader.read();
			if (done)
				return;
			const parts = (rest + value).split("\n\n");
			rest = parts.pop();
			for (const part of parts) {
				const found = /^event: (.*)\ndata: (.*)$/.exec(part);
				if (!found)
					continue;
				this.delay = 500;
				this.handlers[found[1]]?.(JSON.parse(found[2]));
			}
		}
	}
}
Feed.all = new Set();

let hideTimer = 0;
document.addEventListener("visibilitychange", () => {
	clearTimeout(hideTimer);
	if (document.hidden)
		hideTimer = setTimeout(() => Feed.all.forEach(feed => feed.rest()), 30000);
	else
		Feed.all.forEach(feed => feed.wake());
});

function showLink(how, text) {
	$("link").className = "link " + how;
	if ($("link").textContent !== text)
		$("link").textContent = text;
}

function toast(text, bad) {
	const node = h("div", { class: "toast" + (bad ? " bad" : "") }, clean(text));
	$("toasts").append(node);
	setTimeout(() => node.remove(), bad ? 9000 : 4500);
}

function announce(text) {
	$("live").textContent = text;
}

/* --- dialogs --- */

function dialog(title, body, buttons) {
	const box = $("dialog");
	box.replaceChildren(h("h2", { id: "dialog-title" }, title), ...body,
		h("div", { class: "does" }, buttons.map(([text, kind, does]) =>
			h("button", { type: "button", class: kind, onclick: () => { box.close(); does?.(); } }, text))));
	box.showModal();
}

function showKeys() {
	const keys = [["/", "search the streams"], ["↑ ↓ or k j", "the stream before, the next"], ["Enter", "open it"], ["Esc", "close it, clear the search"],
		["1 2 3 4", "streams, timeline, graph, runs"], ["f", "follow the log"], ["Ctrl F or l", "search the log"],
		["r", "retry the stream"], ["s", "stop the stream"], ["a", "approve of the stream"], ["m", "say something to its agent"], ["p", "pause or resume the run"], ["g", "all projects"], ["?", "these keys"]];
	dialog("Keys", [h("dl", { class: "keys" }, keys.map(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)]))], [["Close", "", null]]);
}

function askForToken() {
	Feed.all.forEach(feed => feed.close());
	view = null;
	showLink("off", "no token");
	const input = h("input", { type: "password", "aria-label": "Token", autocomplete: "off", placeholder: "Token" });
	document.body.classList.remove("fixed");
	$("crumbs").replaceChildren();
	$("main").replaceChildren(h("div", { class: "token" }, h("h1", {}, "Which token?"),
		h("p", {}, "The dashboard shows nothing without the token that “orch serve” printed when it started. Open the address that it printed, or paste it here."),
		h("form", {
			onsubmit: event => {
				event.preventDefault();
				location.hash = "#token=" + input.value.trim().replace(/^.*token=/, "");
				location.reload();
			},
		}, input, h("button", { class: "main" }, "Open"))));
	input.focus();
}

/* --- acting --- */

const can = request => hello.acts.includes(request);

async function act(request, more, told) {
	try {
		const answer = await ask("act", { project: view.project }, { request, run: view.head.run, ...more });
		toast(told.replace("{n}", answer.count ?? ""));
	} catch (error) {
		toast(error.message, true);
	}
}

function stopRun() {
	const count = view.head.states.running || 0;
	dialog("Stop this run?", [h("p", {}, count ? plural(count, "running stream") + " will be ended, with what they have done so far kept as it is. " : "",
		"Nothing new starts. What has completed stays complete.")],
	[["Go on running", "", null], ["Kill it now", "danger", () => act("stop", { now: true }, "The run is being killed.")],
		["Stop the run", "danger", () => act("stop", {}, "The run is stopping.")]]);
}

function stopStream(stream) {
	dialog("Stop " + clean(stream.n) + "?", [h("p", {}, "It is asked to end, and what needs it is skipped. Everything else goes on.")],
		[["Leave it", "", null], ["Kill it now", "danger", () => act("stop", { streams: [stream.n], now: true }, "It is being killed.")],
			["Stop it", "danger", () => act("stop", { streams: [stream.n] }, "It is stopping.")]]);
}

function approve(stream) {
	dialog("Approve of " + clean(stream.n) + "?", [h("p", {}, (stream.t ? clean(stream.t) + ": i" : "I") + "t starts as soon as there is a slot for it.")],
		[["Not now", "", null], ["Approve", "main", () => act("approve", { streams: [stream.n] }, clean(stream.n) + " is approved.")]]);
}

function message(stream) {
	const text = h("textarea", { "aria-label": "Message", rows: "5", maxlength: "16000" });
	dialog("Say something to " + clean(stream.n), [h("p", {}, "It is typed into the terminal of whoever works there, or put into its inbox."), text],
		[["Say nothing", "", null], ["Send", "main", () => text.value.trim() && act("send", { streams: [stream.n], text: text.value }, clean(stream.n) + " was told.")]]);
	text.focus();
}

const retry = names => act("retry", { streams: names }, names.length === 1 ? clean(names[0]) + " runs again." : "{n} streams run again.");
const pause = () => view.head.state === "paused" ? act("resume", {}, "The run goes on.") : act("pause", {}, "The run is paused: what runs goes on, nothing new starts.");

/* --- the projects --- */

function shares(counts) {
	const order = ["completed", "failed", "skipped", "cancelled", "running", "backoff", "held", "ready", "waiting"];
	const total = order.reduce((sum, name) => sum + (counts[name] || 0), 0);
	const text = order.filter(name => counts[name]).map(name => counts[name] + " " + name).join(", ");
	return h("div", { class: "share", role: "img", "aria-label": text || "nothing" }, order.filter(name => counts[name]).map(name => {
		const part = h("span", { class: "b-" + name, title: counts[name] + " " + name });
		part.style.flex = counts[name] / total;
		return part;
	}));
}

class Board {
	constructor() {
		document.body.classList.remove("fixed");
		document.title = "orch";
		$("crumbs").replaceChildren();
		this.body = h("div", { class: "projects" });
		$("main").replaceChildren(h("div", { class: "wide" }, h("h1", {}, "Projects"), this.body));
		this.feed = new Feed("projects", {}, { projects: data => this.show(data) });
	}
	close() {
		this.feed.close();
	}
	show({ now: theirs, projects }) {
		skew = theirs - Date.now();
		this.data = projects;
		/* the only one there is needs no list */
		if (projects.length === 1 && !Board.seen) {
			Board.seen = true;
			location.replace("#/" + projects[0].id + "/last");
			return;
		}
		Board.seen = true;
		const focus = document.activeElement?.dataset?.id;
		const last = project => project.last ? project.last.finished || Infinity : 0;
		projects.sort((a, b) => last(b) - last(a) || (b.last?.started || 0) - (a.last?.started || 0));
		this.body.replaceChildren(...projects.map(project => this.card(project)));
		if (!projects.length)
			this.body.replaceChildren(h("p", { class: "empty" }, "Nothing has run yet. A project is shown from its first run on."));
		if (focus)
			this.body.querySelector("[data-id=\"" + focus + "\"]")?.focus();
	}
	card(project) {
		const last = project.last;
		const name = clean(last?.project || project.dir.split("/").pop());
		const counts = last?.states || {};
		const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
		const done = total - (counts.running || 0) - (counts.waiting || 0) - (counts.ready || 0) - (counts.held || 0) - (counts.backoff || 0);
		return h("a", { class: "project", href: "#/" + project.id + "/last", "data-id": project.id },
			h("div", { class: "top" }, h("h2", { class: "name" }, name), last ? pill(last.state) : pill("never run")),
			h("div", { class: "dir", title: clean(project.dir) }, h("bdi", {}, clean(project.dir))),
			last && shares(counts),
			last && h("div", { class: "facts" }, h("span", {}, h("b", { class: "num" }, done + "/" + total), " done"),
				counts.running ? h("span", {}, h("b", {}, counts.running), " running") : null,
				counts.failed ? h("span", {}, h("b", {}, counts.failed), " failed") : null,
				h("span", { class: "num" }, last.finished ? duration(last.finished - last.started) + ", " + ago(last.finished)
					: isLive(last.state) ? "for " + ticking(now() - last.started) : ago(last.last))));
	}
	tick() {
		if (this.data?.some(project => project.last && !project.last.finished))
			this.show({ now: now(), projects: this.data });
	}
	key(event) {
		return event.key === "?" && (showKeys(), true);
	}
}

/* --- a run --- */

const tabs = [["streams", "Streams"], ["timeline", "Timeline"], ["graph", "Graph"], ["runs", "Runs"]];

class Run {
	constructor(project, run) {
		Object.assign(this, { project, run, streams: [], byName: new Map(), head: null, edges: null, tab: "streams", chosen: null, told: {} });
		document.body.classList.add("fixed");
		this.headBox = h("div", { class: "head" }, h("p", { class: "dim" }, "Loading…"));
		this.left = h("div", { class: "pane left" });
		this.detailBox = h("div", { class: "pane detail" });
		this.panes = h("div", { class: "panes" }, this.left);
		$("main").replaceChildren(this.headBox, this.panes);
		this.feed = new Feed("run", { project, run }, {
			run: data => this.gotHead(data),
			streams: data => this.gotStreams(data),
			newer: data => this.gotNewer(data.run),
			refused: text => this.headBox.replaceChildren(h("p", { class: "empty" }, clean(text), " ", h("a", { href: "#/" }, "All projects"))),
		});
	}
	close() {
		this.feed.close();
		this.view?.close?.();
		this.detail?.close();
	}
	/* what is in the address behind the run */
	go(tab, name) {
		const changed = !this.view || tab !== this.tab;
		this.tab = tab;
		this.wanted = name;
		if (changed && this.head)
			this.openTab();
		this.choose();
	}
	address(tab, name) {
		return "#/" + this.project + "/" + this.run + "/" + tab + (name ? "/" + encodeURIComponent(name) : "");
	}
	openTab() {
		this.view?.close?.();
		this.view = new { streams: List, timeline: Timeline, graph: Graph, runs: Runs }[this.tab](this);
		this.drawHead();
	}
	choose() {
		const stream = this.wanted ? this.byName.get(this.wanted) : null;
		if (stream === this.chosen)
			return;
		this.chosen = stream || null;
		this.detail?.close();
		this.detail = this.chosen ? new Detail(this, this.chosen) : null;
		this.panes.classList.toggle("split", Boolean(this.chosen));
		this.view?.update?.(true);
	}
	gotHead(head) {
		skew = head.now - Date.now();
		const first = !this.head;
		if (this.head && this.head.state !== head.state)
			announce("The run is " + head.state + ".");
		this.head = head;
		if (first)
			this.openTab();
		this.later();
	}
	gotStreams({ streams, whole }) {
		const news = {};
		for (const stream of streams) {
			const before = this.streams[stream.i];
			if (before && before.s !== stream.s && hasEnded(stream.s))
				(news[stream.s] ??= []).push(clean(stream.n));
			this.streams[stream.i] = stream;
			this.byName.set(stream.n, stream);
			if (this.chosen && this.chosen.n === stream.n)
				this.chosen = stream;
		}
		const text = Object.entries(news).map(([state, names]) => (names.length > 3 ? names.length + " streams" : names.join(", ")) + " " + state).join("; ");
		if (text)
			announce(text);
		this.whole ||= whole;
		this.later();
	}
	gotNewer(run) {
		if (this.run === "last") {
			/* the next run of the project takes the place of this one */
			this.close();
			view = new Run(this.project, "last");
			view.go(this.tab, this.wanted);
			announce("A new run has started.");
		} else {
			this.newer = run;
			this.later();
		}
	}
	/* drawn once a frame, whatever came */
	later() {
		if (this.frame)
			return;
		this.frame = setTimeout(() => requestAnimationFrame(() => {
			this.frame = 0;
			if (view === this)
				this.draw();
		}), this.streams.length > 5000 ? 250 : 0);
	}
	draw() {
		this.drawHead();
		this.choose();
		this.view?.update?.(true);
		this.detail?.update();
	}
	tick() {
		if (!this.head || !isLive(this.head.state))
			return;
		this.drawTime();
		this.view?.tick?.();
		this.detail?.tick();
	}
	wall() {
		return (this.head.finished || (isLive(this.head.state) ? now() : this.head.last)) - this.head.started;
	}
	time(stream) {
		const last = stream.a?.[stream.a.length - 1];
		if (!last)
			return null;
		return (last[3] || (isLive(this.head.state) || stream.left ? now() : this.head.last)) - last[2];
	}
	work() {
		/* what has ended, and what runs */
		let sum = this.head.sum;
		if (isLive(this.head.state)) {
			for (const stream of this.streams) {
				const last = stream?.a?.[stream.a.length - 1];
				if (last && !last[3])
					sum += now() - last[2];
			}
		}
		return sum;
	}
	drawTime() {
		if (!this.elapsed)
			return;
		const wall = this.wall(), sum = this.work();
		this.elapsed.textContent = isLive(this.head.state) ? ticking(wall) : duration(wall);
		this.rest.textContent = isLive(this.head.state) && this.head.state === "running" && this.head.left > 0
			? " about " + ticking(Math.max(1000, this.head.left - (now() - this.head.now))) + " left" : "";
		this.worked.textContent = duration(sum);
		this.speed.textContent = wall > 500 && sum > wall * 1.05 ? " " + (sum / wall).toFixed(1) + "× as fast" : "";
	}
	drawHead() {
		const head = this.head;
		if (!head)
			return;
		const asking = isLive(head.state) && head.states.held ? this.streams.filter(stream => stream?.as) : [];
		const key = JSON.stringify([{ ...head, now: 0, last: 0, sum: 0, left: 0 }, this.tab, this.newer, asking.map(stream => stream.i)]);
		if (key === this.headKey) {
			this.drawTime();
			return;
		}
		this.headKey = key;
		const name = clean(head.project || "project"), counts = head.states;
		const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
		const done = ["completed", "failed", "skipped", "cancelled"].reduce((sum, state) => sum + (counts[state] || 0), 0);
		const live = isLive(head.state);
		const failed = this.streams.filter(stream => stream && (stream.s === "failed" || stream.s === "cancelled"));
		document.title = (live ? "(" + done + "/" + total + ") " : head.state === "completed" ? "✓ " : head.state === "failed" ? "✕ " : "") + name + " – orch";
		$("crumbs").replaceChildren(h("a", { href: "#/" + this.project + "/last", class: "name" }, name), h("span", { class: "odd" }, head.run));
		const focus = document.activeElement?.dataset?.act;
		this.elapsed = h("span", {});
		this.rest = h("small", {});
		this.worked = h("span", {});
		this.speed = h("small", {});
		const button = (id, text, kind, does, title) => h("button", { type: "button", class: kind, "data-act": id, onclick: does, title }, text);
		put(this.headBox,
			h("div", { class: "line" }, h("h1", { class: "name" }, name), pill(head.state), h("span", { class: "gap" }),
				h("span", { class: "acts line" },
					live && can("retry") && counts.failed ? button("retry", "Retry failed", "", () => retry(failed.filter(x => x.s === "failed").map(x => x.n))) : null,
					live && can("pause") && head.state !== "stopping" ? button("pause", head.state === "paused" ? "Resume" : "Pause", head.state === "paused" ? "main" : "", pause, "p") : null,
					live && can("stop") ? button("stop", "Stop run…", "danger", stopRun) : null)),
			h("p", { class: "sub" }, "Run " + head.run + ", started " + clock(head.started) + (head.message ? " · " + clean(head.message) : "")),
			h("div", { class: "tiles" },
				h("div", { class: "tile first" }, h("div", { class: "v" }, done + "/" + total, h("small", {}, " done" + (counts.failed ? ", " + counts.failed + " failed" : "") + (counts.skipped ? ", " + counts.skipped + " skipped" : "") + (head.unchanged ? ", " + head.unchanged + " unchanged" : ""))), shares(counts)),
				h("div", { class: "tile" }, h("div", { class: "k" }, live ? "Elapsed" : "Took"), h("div", { class: "v" }, this.elapsed, this.rest)),
				h("div", { class: "tile" }, h("div", { class: "k" }, live ? "Running, of slots" : "Slots"), h("div", { class: "v" }, live ? (counts.running || 0) + "/" + head.jobs : head.jobs,
					live && can("jobs") ? [h("button", { type: "button", "data-act": "less", "aria-label": "One slot less", disabled: head.jobs <= 1, onclick: () => act("jobs", { jobs: head.jobs - 1 }, plural(head.jobs - 1, "slot") + " from now on.") }, "−"),
						h("button", { type: "button", "data-act": "more", "aria-label": "One slot more", onclick: () => act("jobs", { jobs: head.jobs + 1 }, plural(head.jobs + 1, "slot") + " from now on.") }, "+")] : null)),
				h("div", { class: "tile" }, h("div", { class: "k" }, "Work done"), h("div", { class: "v" }, this.worked, this.speed)),
				head.cost === undefined && !head.tokens ? null : h("div", { class: "tile" }, h("div", { class: "k" }, head.budget ? "Cost, of " + money(head.budget) : "Cost"),
					h("div", { class: "v" }, head.cost === undefined ? "–" : money(head.cost), head.tokens ? h("small", {}, " " + head.tokens.toLocaleString("en") + " tokens") : null))),
			this.notices(head, asking),
			h("div", { class: "tabs", role: "tablist", "aria-label": "Views" }, tabs.map(([id, text], at) =>
				h("button", { type: "button", role: "tab", "data-act": "tab-" + id, "aria-selected": String(id === this.tab), title: String(at + 1), onclick: () => location.replace(this.address(id, this.wanted)) }, text))));
		this.drawTime();
		if (focus)
			this.headBox.querySelector("[data-act=\"" + focus + "\"]")?.focus();
	}
	notices(head, asking) {
		const lines = [];
		if (head.problem)
			lines.push(h("div", { class: "notice bad" }, clean(head.problem)));
		if (head.state === "crashed")
			lines.push(h("div", { class: "notice bad" }, "This run crashed: it wrote no end. “orch” goes on from what was completed."));
		if (head.stopping && isLive(head.state))
			lines.push(h("div", { class: "notice" }, "Nothing new starts: " + clean(head.stopping)));
		else if (head.state === "paused")
			lines.push(h("div", { class: "notice" }, "Paused: what runs goes on, nothing new starts."));
		else if (head.strained && isLive(head.state))
			lines.push(h("div", { class: "notice" }, "Not all slots are used for now: " + clean(head.strained)));
		if (head.holds && isLive(head.state))
			lines.push(h("div", { class: "notice" }, clean(head.holds[0].toUpperCase() + head.holds.slice(1)) + "."));
		if (asking.length)
			lines.push(h("div", { class: "notice asks" }, asking.length === 1 ? "Waits for approval: " : plural(asking.length, "stream") + " wait for approval: ",
				asking.slice(0, 20).map((stream, at) => [at ? ", " : "", h("a", { href: this.address(this.tab, stream.n) }, clean(stream.n)),
					can("approve") ? [" ", h("button", { type: "button", "data-act": "approve-" + stream.i, onclick: () => approve(stream) }, "Approve…")] : ""])));
		if (this.newer)
			lines.push(h("div", { class: "notice" }, "There is a newer run. ", h("a", { href: "#/" + this.project + "/last" }, "Show it")));
		if (head.warnings) {
			const last = head.warnings[head.warnings.length - 1];
			lines.push(h("div", { class: "notice" }, head.warnings.length === 1 ? clean(last)
				: h("details", {}, h("summary", {}, plural(head.warnings.length, "warning") + ", the last: " + clean(last)), head.warnings.map(text => h("div", {}, clean(text))))));
		}
		return lines;
	}
	/* who waits for whom, asked for once */
	async graph() {
		if (!this.edges) {
			const answer = await ask("graph", { project: this.project, run: this.head.run });
			this.needs = new Map();
			this.feeds = new Map();
			for (const [stream, dependency] of answer.edges) {
				(this.needs.get(stream) || this.needs.set(stream, []).get(stream)).push(dependency);
				(this.feeds.get(dependency) || this.feeds.set(dependency, []).get(dependency)).push(stream);
			}
			this.edges = answer.edges;
			this.graphNote = answer.note;
		}
		return this.edges;
	}
	/* why it is in this state, in one line; is it bad, is it output? */
	note(stream) {
		const ran = isLive(this.head.state);
		switch (stream.s) {
		case "running":
			if (!ran && !stream.left)
				return { text: "was running when the run crashed" };
			return { text: [stream.p && stream.p !== "run" ? "(" + stream.p + ")" : "", progress(stream), stream.w && stream.y ? clean(stream.y) : bare(stream.l)].filter(part => part).join(" "), out: true };
		case "failed":
			return { text: clean(stream.m || stream.r || stream.o), bad: true };
		case "waiting": {
			const open = (this.needs?.get(stream.i) || []).map(i => this.streams[i]).filter(dep => dep && dep.s !== "completed");
			if (!ran)
				return { text: "was never started" };
			if (!open.length)
				return { text: clean(stream.r) };
			return { text: "waits for " + open.slice(0, 4).map(dep => clean(dep.n)).join(", ") + (open.length > 4 ? " and " + (open.length - 4) + " more" : "") };
		}
		case "ready":
			return { text: ran ? "waits for a slot" : "was never started" };
		case "backoff":
			return { text: "waits for its next attempt" + (stream.m ? ": " + clean(stream.m) : "") };
		case "completed":
			return { text: stream.o === "unchanged" ? "its dependencies’ results are unchanged" : stream.k ? progress(stream) + " tasks" : "" };
		default:
			return { text: clean(stream.r) };
		}
	}
	key(event) {
		const at = "1234".indexOf(event.key);
		if (at >= 0 && event.key)
			location.replace(this.address(tabs[at][0], this.wanted));
		else if (event.key === "g")
			location.hash = "#/";
		else if (event.key === "p" && this.head && isLive(this.head.state) && can("pause"))
			pause();
		else if (event.key === "r" && this.chosen && can("retry"))
			retry([this.chosen.n]);
		else if (event.key === "s" && this.chosen && can("stop") && !hasEnded(this.chosen.s))
			stopStream(this.chosen);
		else if (event.key === "a" && this.chosen?.as && can("approve"))
			approve(this.chosen);
		else if (event.key === "m" && this.chosen?.s === "running" && can("send"))
			message(this.chosen);
		else if (event.key === "f" && this.detail)
			this.detail.log?.follow(true);
		else if (event.key === "l" && this.detail)
			this.detail.find?.focus();
		else if (event.key === "?")
			showKeys();
		else if (event.key === "Escape" && this.chosen)
			location.replace(this.address(this.tab));
		else
			return Boolean(this.view?.key?.(event));
		return true;
	}
}

/* the streams: only the rows on the screen are there, so 100 000 are no more than 20 */
class List {
	constructor(run) {
		Object.assign(this, { run, wanted: new Set(), shown: [], rows: new Map(), order: "state" });
		this.search = h("input", { type: "search", placeholder: "Search streams", "aria-label": "Search streams", oninput: () => this.update() });
		this.chips = h("div", { class: "chips", role: "group", "aria-label": "States" });
		this.sort = h("select", { "aria-label": "Order", onchange: () => { this.order = this.sort.value; this.update(); } },
			[["state", "What matters first"], ["declared", "As declared"], ["name", "By name"], ["time", "Longest first"]].map(([value, text]) => h("option", { value }, text)));
		this.space = h("div", { class: "rows", role: "presentation" });
		this.box = h("div", { class: "list", role: "listbox", tabindex: "0", "aria-label": "Streams", onscroll: () => this.place() }, this.space);
		this.watcher = new ResizeObserver(() => this.place());
		this.watcher.observe(this.box);
		this.onscroll = () => this.place();
		addEventListener("scroll", this.onscroll, { passive: true });
		run.left.replaceChildren(h("div", { class: "tools" }, this.search, this.sort, this.chips), this.box);
		/* small enough to ask for what the waiting ones wait for */
		if (run.head.count <= 5000)
			run.graph().then(() => this.update(), () => {});
		this.update();
	}
	close() {
		this.watcher.disconnect();
		removeEventListener("scroll", this.onscroll);
	}
	update() {
		const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
		const run = this.run;
		this.shown = run.streams.filter(stream => stream && (!this.wanted.size || this.wanted.has(stream.s)) &&
			words.every(word => stream.n.toLowerCase().includes(word) || stream.t?.toLowerCase().includes(word)));
		const by = {
			state: (a, b) => stateRank[a.s] - stateRank[b.s] || a.i - b.i,
			declared: (a, b) => a.i - b.i,
			name: (a, b) => a.n < b.n ? -1 : 1,
			time: (a, b) => (run.time(b) ?? -1) - (run.time(a) ?? -1) || a.i - b.i,
		};
		this.shown.sort(by[this.order]);
		this.drawChips();
		this.space.style.height = this.shown.length * 52 + "px";
		this.place(true);
	}
	drawChips() {
		const counts = this.run.head.states;
		const key = JSON.stringify([counts, [...this.wanted]]);
		if (key === this.chipKey)
			return;
		this.chipKey = key;
		const focus = document.activeElement?.dataset?.state;
		this.chips.replaceChildren(...states.filter(state => counts[state] || this.wanted.has(state)).map(state =>
			h("button", { type: "button", "data-state": state, "aria-pressed": String(this.wanted.has(state)), onclick: () => {
				if (!this.wanted.delete(state))
					this.wanted.add(state);
				this.update();
			} }, h("b", {}, counts[state] || 0), " " + state)));
		if (focus)
			this.chips.querySelector("[data-state=\"" + focus + "\"]")?.focus();
	}
	/* the rows that can be seen, and some around them */
	place() {
		const own = this.box.scrollHeight > this.box.clientHeight + 1 || getComputedStyle(this.box).overflowY === "auto";
		const top = own ? this.box.scrollTop : Math.max(0, -this.box.getBoundingClientRect().top);
		const height = own ? this.box.clientHeight : innerHeight;
		const first = Math.max(0, Math.floor(top / 52) - 6), end = Math.min(this.shown.length, Math.ceil((top + height) / 52) + 6);
		const keep = new Set();
		for (let at = first; at < end; at++) {
			const stream = this.shown[at];
			keep.add(stream.i);
			this.drawRow(stream, at);
		}
		for (const [i, row] of this.rows) {
			if (!keep.has(i)) {
				row.node.remove();
				this.rows.delete(i);
			}
		}
		const chosen = this.run.chosen;
		this.box.setAttribute("aria-activedescendant", chosen && keep.has(chosen.i) ? "row-" + chosen.i : "");
		if (!this.shown.length && this.run.whole)
			this.space.replaceChildren(h("p", { class: "empty" }, "No stream is like that."));
		else
			this.space.querySelector(".empty")?.remove();
	}
	drawRow(stream, at) {
		let row = this.rows.get(stream.i);
		if (!row) {
			row = { dot: h("span", { class: "dot" }), name: h("b", {}), title: h("span", {}), second: h("span", { class: "second" }), time: h("span", {}), small: h("small", {}), state: h("span", { class: "unseen" }) };
			row.node = h("div", { class: "row", role: "option", id: "row-" + stream.i, onclick: () => this.choose(row.stream.n) }, row.dot,
				h("div", { class: "what" }, h("span", { class: "first" }, row.state, row.name, row.title), row.second), h("div", { class: "when" }, row.time, row.small));
			this.rows.set(stream.i, row);
			this.space.append(row.node);
		}
		const time = this.run.time(stream);
		const chosen = this.run.chosen?.i === stream.i;
		const key = at + (chosen ? "+" : "");
		if (row.stream !== stream || row.noted !== this.run.needs) {
			const note = this.run.note(stream);
			row.dot.className = "dot s-" + stream.s;
			row.dot.textContent = marks[stream.s];
			row.state.textContent = stream.s + " ";
			row.name.textContent = clean(stream.n);
			row.title.textContent = clean(stream.t || "");
			row.second.textContent = note.text;
			row.second.className = "second" + (note.out ? " out" : note.bad ? " why" : "");
			row.small.textContent = stream.a?.length && stream.a[stream.a.length - 1][0] > 1 ? "attempt " + stream.a[stream.a.length - 1][0] : "";
			row.stream = stream;
			row.noted = this.run.needs;
		}
		if (row.key !== key) {
			row.node.style.top = at * 52 + "px";
			row.node.classList.toggle("chosen", chosen);
			row.node.setAttribute("aria-selected", String(chosen));
			row.node.setAttribute("aria-posinset", at + 1);
			row.key = key;
		}
		row.node.setAttribute("aria-setsize", this.shown.length);
		const text = time === null ? "" : stream.s === "running" ? ticking(time) : duration(time);
		if (row.time.textContent !== text)
			row.time.textContent = text;
	}
	tick() {
		for (const row of this.rows.values()) {
			if (row.stream.s === "running")
				row.time.textContent = ticking(this.run.time(row.stream));
		}
	}
	choose(name) {
		location.replace(this.run.address("streams", name));
	}
	move(by) {
		const at = this.shown.findIndex(stream => stream.i === this.run.chosen?.i);
		const next = this.shown[at < 0 ? 0 : Math.min(this.shown.length - 1, Math.max(0, at + by))];
		if (!next)
			return;
		this.choose(next.n);
		const top = this.shown.indexOf(next) * 52;
		if (top < this.box.scrollTop)
			this.box.scrollTop = top;
		else if (top + 52 > this.box.scrollTop + this.box.clientHeight)
			this.box.scrollTop = top + 52 - this.box.clientHeight;
	}
	key(event) {
		if (event.key === "/")
			this.search.focus();
		else if (event.key === "ArrowDown" || event.key === "j")
			this.move(1);
		else if (event.key === "ArrowUp" || event.key === "k")
			this.move(-1);
		else if (event.key === "PageDown" || event.key === "PageUp")
			this.move(event.key === "PageDown" ? 10 : -10);
		else if (event.key === "Enter" && document.activeElement === this.box && !this.run.chosen)
			this.move(0);
		else
			return false;
		return true;
	}
}

/* --- the timeline --- */

const stepsOfTime = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800].map(x => x * 1000);

const barsMax = 3000;

class Timeline {
	constructor(run) {
		Object.assign(this, { run, bars: new Map() });
		this.axis = h("div", { class: "axis", "aria-hidden": "true" });
		this.body = h("div", {});
		this.note = h("div", { class: "dim" });
		run.left.replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Timeline: what ran when, a lane for each slot" }, h("div", { class: "lanes" }, this.axis, this.body, this.note)));
		this.lanes = [];
		this.update();
	}
	update() {
		const run = this.run, wall = Math.max(run.wall(), 1000);
		const step = stepsOfTime.find(x => wall / x <= 8) || Math.ceil(wall / 8 / 86400000) * 86400000;
		/* the axis grows by steps, so that bars move seldom */
		const end = isLive(run.head.state) ? Math.ceil(wall * 1.02 / step) * step : wall;
		const scaled = end !== this.end;
		this.end = end;
		if (scaled) {
			const marks = [];
			for (let at = 0; at <= end; at += step) {
				const mark = h("span", {}, at ? duration(at).replace(/\.0s/, "s").replace(/ 00[sm]$/, "") : "0");
				mark.style.left = at / end * 100 + "%";
				marks.push(mark);
			}
			this.axis.replaceChildren(...marks);
		}
		let count = 0;
		const keep = new Set();
		const attempts = [];
		for (const stream of run.streams) {
			for (const attempt of stream?.a || [])
				attempts.push([stream, attempt]);
		}
		/* what is too short to be seen can be left out */
		const all = attempts.length, lasted = ([, attempt]) => attempt[3] ? attempt[3] - attempt[2] : Infinity;
		if (all > barsMax)
			attempts.sort((a, b) => lasted(b) - lasted(a)).length = barsMax;
		const note = all > barsMax ? "The " + barsMax + " longest of " + all + " attempts." : "";
		if (this.note.textContent !== note)
			this.note.textContent = note;
		for (const [stream, attempt] of attempts) {
			const id = stream.i + "." + attempt[0];
			keep.add(id);
			this.draw(id, stream, attempt, scaled);
			count++;
		}
		for (const [id, bar] of this.bars) {
			if (!keep.has(id)) {
				bar.node.remove();
				this.bars.delete(id);
			}
		}
		if (!count && !this.body.firstChild)
			this.body.append(h("p", { class: "empty" }, "Nothing has been started yet."));
	}
	lane(slot) {
		while (this.lanes.length <= slot) {
			const lane = h("div", { class: "lane" });
			if (!this.lanes.length)
				this.body.replaceChildren();
			this.lanes.push(lane);
			this.body.append(lane);
		}
		return this.lanes[slot];
	}
	draw(id, stream, attempt, scaled) {
		const [number, slot, started, ended, outcome] = attempt, run = this.run;
		let bar = this.bars.get(id);
		if (!bar) {
			bar = { node: h("a", { href: run.address("timeline", stream.n) }, clean(stream.n)) };
			bar.node.addEventListener("click", event => { event.preventDefault(); location.replace(bar.node.href); });
			this.bars.set(id, bar);
			this.lane(Math.max(0, slot)).append(bar.node);
			scaled = true;
		}
		const chosen = run.chosen?.i === stream.i;
		if (!scaled && ended && bar.ended && bar.chosen === chosen)
			return;
		const crashed = !ended && !isLive(run.head.state) && !stream.left;
		const until = ended || (crashed ? run.head.last : now());
		const from = Math.max(0, started - run.head.started), wide = (until - run.head.started - from) / this.end * 100;
		bar.ended = ended;
		bar.chosen = chosen;
		bar.node.style.left = from / this.end * 100 + "%";
		bar.node.style.width = Math.max(0.1, wide) + "%";
		bar.node.className = (crashed ? "o-warn" : outcomeTone(ended ? outcome : null)) + (wide < 3 ? " small" : "") + (chosen ? " chosen" : "");
		bar.node.title = clean(stream.n) + (number > 1 ? ", attempt " + number : "") + ": " + (ended ? outcome : crashed ? "crashed" : "running") + ", " + duration(until - started);
	}
	tick() {
		this.update();
	}
}

/* --- the graph --- */

const graphMax = 300;

class Graph {
	constructor(run) {
		Object.assign(this, { run, zoom: 1, nodes: new Map() });
		this.noteBox = h("span", { class: "dim" });
		this.scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Graph: what waits for what" }, h("p", { class: "empty" }, "Loading…"));
		const zoom = by => { this.zoomed = true; this.zoom = Math.min(2, Math.max(0.25, this.zoom * by)); this.size(); };
		run.left.replaceChildren(h("div", { class: "tools" }, this.noteBox, h("span", { class: "gap" }),
			h("button", { type: "button", "aria-label": "Smaller", onclick: () => zoom(1 / 1.25) }, "−"), h("button", { type: "button", "aria-label": "Larger", onclick: () => zoom(1.25) }, "+"),
			h("button", { type: "button", onclick: () => { this.zoomed = false; this.fit(); } }, "Fit")), this.scroll);
		this.watcher = new ResizeObserver(() => this.svg && !this.zoomed && this.fit(true));
		this.watcher.observe(this.scroll);
		run.graph().then(() => run.view === this && this.lay(), error => this.scroll.replaceChildren(h("p", { class: "empty" }, clean(error.message))));
	}
	close() {
		this.watcher.disconnect();
	}
	/* which streams: all, or around what goes on */
	pick() {
		const run = this.run, all = run.streams.filter(Boolean);
		if (all.length <= graphMax) {
			this.noteBox.textContent = clean(run.graphNote || "");
			return all.map(stream => stream.i);
		}
		const starts = [run.chosen, ...all.filter(stream => stream.s === "running" || stream.s === "failed" || stream.s === "backoff"), ...all].filter(Boolean).map(stream => stream.i);
		const found = new Set();
		for (const start of starts) {
			const queue = [start];
			for (let at = 0; at < queue.length && at < 40 && found.size < graphMax; at++) {
				if (found.has(queue[at]))
					continue;
				found.add(queue[at]);
				queue.push(...(run.needs.get(queue[at]) || []).slice(0, 20), ...(run.feeds.get(queue[at]) || []).slice(0, 20));
			}
			if (found.size >= graphMax)
				break;
		}
		this.noteBox.textContent = found.size + " of " + all.length + " streams: " + (run.chosen ? "those around " + clean(run.chosen.n) : all.some(stream => stream.s === "running" || stream.s === "failed") ? "those around what runs or failed" : "the first of them");
		return [...found];
	}
	lay() {
		const run = this.run, picked = this.pick(), inside = new Set(picked), level = new Map();
		const needs = i => (run.needs.get(i) || []).filter(d => inside.has(d));
		const feeds = i => (run.feeds.get(i) || []).filter(d => inside.has(d));
		/* the longest way from a stream that waits for nothing; what a cycle would leave out goes first */
		const open = new Map(picked.map(i => [i, needs(i).length]));
		const queue = picked.filter(i => !open.get(i));
		for (let at = 0; at < queue.length; at++) {
			const i = queue[at];
			level.set(i, needs(i).reduce((max, d) => Math.max(max, (level.get(d) ?? -1) + 1), 0));
			for (const j of feeds(i)) {
				open.set(j, open.get(j) - 1);
				if (!open.get(j))
					queue.push(j);
			}
		}
		const columns = [];
		for (const i of picked)
			(columns[level.get(i) ?? 0] ||= []).push(i);
		const place = new Map();
		columns.forEach(column => column.forEach((i, at) => place.set(i, at - column.length / 2)));
		/* each near the middle of its neighbours, back and forth */
		for (let pass = 0; pass < 6; pass++) {
			const neighbours = pass % 2 ? feeds : needs;
			for (const column of pass % 2 ? [...columns].reverse() : columns) {
				const middle = new Map(column.map(i => {
					const near = neighbours(i);
					return [i, near.length ? near.reduce((sum, j) => sum + place.get(j), 0) / near.length : place.get(i)];
				}));
				column.sort((a, b) => middle.get(a) - middle.get(b) || a - b);
				column.forEach((i, at) => place.set(i, at - column.length / 2));
			}
		}
		const wide = 178, high = 42, apartX = 52, apartY = 16;
		const tall = Math.max(1, ...columns.map(column => column.length)) * (high + apartY);
		this.width = columns.length * (wide + apartX) - apartX + 40;
		this.height = tall + 30;
		const spot = new Map();
		columns.forEach((column, c) => column.forEach((i, r) => spot.set(i, [20 + c * (wide + apartX), 15 + (tall - column.length * (high + apartY)) / 2 + r * (high + apartY) + apartY / 2])));
		this.svg = s("svg", { class: "graph", viewBox: "0 0 " + this.width + " " + this.height, role: "group", "aria-label": plural(picked.length, "stream") });
		this.lines = [];
		for (const i of picked) {
			for (const d of needs(i)) {
				const [x1, y1] = spot.get(d), [x2, y2] = spot.get(i), bend = Math.max(24, (x2 - x1 - wide) / 2);
				const line = s("path", { class: "edge", d: `M${x1 + wide} ${y1 + high / 2}C${x1 + wide + bend} ${y1 + high / 2} ${x2 - bend} ${y2 + high / 2} ${x2} ${y2 + high / 2}` });
				this.lines.push([d, i, line]);
				this.svg.append(line);
			}
		}
		const short = (text, max) => text.length > max ? text.slice(0, max / 2) + "…" + text.slice(-(max / 2 - 1)) : text;
		for (const column of columns) {
			for (const i of column) {
				const [x, y] = spot.get(i), name = clean(run.streams[i].n);
				const node = { bar: s("rect", { x, y, width: 5, height: high, rx: 2.5 }), sub: s("text", { class: "sub", x: x + 14, y: y + 33 }) };
				const open = () => location.replace(run.address("graph", run.streams[i].n));
				node.group = s("g", { class: "node", tabindex: "0", role: "button", onclick: open, onkeydown: event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } } },
					s("title", {}, name), s("rect", { class: "box", x, y, width: wide, height: high, rx: 7 }), node.bar, s("text", { x: x + 14, y: y + 17 }, short(name, 22)), node.sub);
				this.nodes.set(i, node);
				this.svg.append(node.group);
			}
		}
		this.scroll.replaceChildren(picked.length ? this.svg : h("p", { class: "empty" }, "No streams."));
		this.fit(true);
		this.update();
	}
	fit(first) {
		const space = this.scroll.getBoundingClientRect();
		const whole = Math.min((space.width - 20) / this.width, (space.height - 20) / this.height);
		this.zoom = Math.min(1.15, Math.max(first ? 0.5 : 0.2, whole));
		this.size();
	}
	size() {
		this.svg?.setAttribute("width", this.width * this.zoom);
		this.svg?.setAttribute("height", this.height * this.zoom);
	}
	update() {
		const chosen = this.run.chosen?.i;
		for (const [i, node] of this.nodes) {
			const stream = this.run.streams[i], time = this.run.time(stream);
			const text = stream.s + (time === null ? "" : ", " + (stream.s === "running" ? ticking(time) : duration(time)));
			if (node.text !== text) {
				node.text = node.sub.textContent = text;
				node.bar.setAttribute("class", "f-" + stream.s);
				node.group.setAttribute("aria-label", clean(stream.n) + ", " + text);
			}
			node.group.classList.toggle("chosen", i === chosen);
		}
		for (const [from, to, line] of this.lines || [])
			line.classList.toggle("lit", from === chosen || to === chosen);
	}
	tick() {
		this.update();
	}
}

/* --- the runs before --- */

class Runs {
	constructor(run) {
		this.run = run;
		this.box = h("div", { class: "scroll" }, h("p", { class: "empty" }, "Loading…"));
		run.left.replaceChildren(this.box);
		ask("runs", { project: run.project }).then(runs => this.show(runs), error => this.box.replaceChildren(h("p", { class: "empty" }, clean(error.message))));
	}
	show(runs) {
		const longest = Math.max(1, ...runs.map(run => run.duration || 0));
		this.box.replaceChildren(h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, ["Run", "State", "Started", "Time", "", "Completed", "Failed", "Not run"].map((text, at) =>
			h("th", { scope: "col", class: at > 3 ? "odd" : "" }, text || h("span", { class: "unseen" }, "Compared"))))),
		h("tbody", {}, runs.map(run => {
			const meter = h("span", { class: "meter" });
			meter.style.width = Math.max(0, run.duration || 0) / longest * 9 + "rem";
			return h("tr", { class: run.run === this.run.head.run ? "now" : "" }, h("td", {}, h("a", { href: "#/" + this.run.project + "/" + run.run, "aria-current": run.run === this.run.head.run ? "true" : null }, run.run)),
				h("td", {}, run.state ? pill(run.state) : ""), h("td", {}, run.started ? clock(run.started) : ""), h("td", { class: "num" }, run.duration >= 0 ? duration(run.duration) : ""),
				h("td", { class: "odd" }, meter), h("td", { class: "num odd" }, run.completed ?? ""), h("td", { class: "num odd" }, run.failed || ""), h("td", { class: "num odd" }, run.skipped || ""));
		})))));
	}
}

/* --- one stream, and its log --- */

class Detail {
	constructor(run, stream) {
		Object.assign(this, { run, stream });
		this.about = h("div", { class: "about" });
		this.find = h("input", { type: "search", placeholder: "Search the log", "aria-label": "Search the log", oninput: () => this.log?.search(this.find.value), onkeydown: event => {
			if (event.key === "Enter") {
				event.preventDefault();
				this.log?.next(event.shiftKey ? -1 : 1);
			}
		} });
		this.count = h("span", { class: "dim num", role: "status" });
		this.followButton = h("button", { type: "button", "aria-pressed": "true", title: "f", onclick: () => this.log?.follow(!this.log.following) }, "Follow");
		this.wrapButton = h("button", { type: "button", "aria-pressed": "true", onclick: () => {
			const wrap = this.logBox.classList.toggle("wrap");
			this.wrapButton.setAttribute("aria-pressed", String(wrap));
		} }, "Wrap");
		this.tries = h("span", { class: "chips" });
		this.logBox = h("div", { class: "log wrap", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Output" });
		run.detailBox.replaceChildren(this.about, h("div", { class: "logbar" }, this.tries, h("span", { class: "gap" }), this.find, this.count, this.followButton, this.wrapButton), this.logBox);
		run.panes.append(run.detailBox);
		run.graph().then(() => this.update(true), () => {});
		this.update();
	}
	close() {
		this.log?.close();
		this.run.detailBox.remove();
	}
	update(again) {
		const stream = this.run.byName.get(this.stream.n);
		const last = stream.a?.[stream.a.length - 1]?.[0] || 0;
		this.drawAbout(stream, again);
		if (last && (!this.attempt || (this.log?.following && this.newest === this.attempt && last !== this.attempt)))
			this.open(last);
		if (!last && !this.logBox.firstChild)
			this.logBox.append(h("div", { class: "cut" }, "It has not been started."));
		this.newest = last;
		this.drawTries(stream);
	}
	open(attempt) {
		this.attempt = attempt;
		this.log?.close();
		this.log = new Log(this, attempt);
	}
	drawTries(stream) {
		const key = JSON.stringify([this.attempt, (stream.a || []).map(a => [a[0], a[4]])]);
		if (key === this.triesKey)
			return;
		this.triesKey = key;
		this.tries.replaceChildren(...(stream.a?.length > 1 ? stream.a : []).map(([number, , , , outcome]) =>
			h("button", { type: "button", "aria-pressed": String(number === this.attempt), title: outcome || "running", onclick: () => { this.open(number); this.drawTries(stream); } },
				"Attempt " + number + (outcome ? outcome === "success" ? " ✓" : " ✕" : ""))));
		if (!(stream.a?.length > 1))
			this.tries.replaceChildren(h("span", { class: "dim" }, "Output"));
	}
	drawAbout(stream, again) {
		const run = this.run, live = isLive(run.head.state);
		const key = JSON.stringify([stream, live, (run.needs?.get(stream.i) || []).map(i => run.streams[i]?.s)]);
		this.seen = stream;
		if (key === this.aboutKey && !again)
			return;
		this.aboutKey = key;
		const focus = document.activeElement?.dataset?.act;
		const note = run.note(stream);
		const link = i => h("a", { href: run.address(run.tab, run.streams[i].n), onclick: event => { event.preventDefault(); location.replace(event.currentTarget.href); } }, (marks[run.streams[i].s] || "▸") + " " + clean(run.streams[i].n));
		const links = (text, list) => list?.length ? h("div", { class: "links" }, text + " ", list.slice(0, 60).map(link), list.length > 60 ? "and " + (list.length - 60) + " more" : "") : null;
		this.time = h("b", { class: "num" });
		put(this.about,
			h("div", { class: "line" }, h("button", { type: "button", class: "back", "data-act": "back", onclick: () => location.replace(run.address(run.tab)) }, "← Back"),
				h("h2", { class: "name" }, clean(stream.n)), pill(stream.s), h("span", { class: "gap" }),
				live && can("approve") && stream.as ? h("button", { type: "button", class: "main", "data-act": "one-approve", onclick: () => approve(stream) }, "Approve…") : null,
				live && can("send") && stream.s === "running" ? h("button", { type: "button", "data-act": "one-send", title: "m", onclick: () => message(stream) }, "Message…") : null,
				live && can("retry") && ["failed", "cancelled", "backoff"].includes(stream.s) ? h("button", { type: "button", "data-act": "one-retry", onclick: () => retry([stream.n]) }, "Retry") : null,
				live && can("stop") && !hasEnded(stream.s) ? h("button", { type: "button", class: "danger", "data-act": "one-stop", onclick: () => stopStream(stream) }, "Stop…") : null,
				h("button", { type: "button", class: "icon odd", "data-act": "close", "aria-label": "Close", title: "Esc", onclick: () => location.replace(run.address(run.tab)) }, "✕")),
			stream.t ? h("p", { class: "name" }, clean(stream.t)) : null,
			note.text && !note.out ? h("p", { class: "why" + (note.bad ? " is-bad" : "") }, note.text) : null,
			h("div", { class: "facts2" },
				stream.a?.length ? h("span", {}, stream.s === "running" ? "running for " : "took ", this.time) : null,
				stream.a?.length ? h("span", {}, "attempt ", h("b", {}, stream.a[stream.a.length - 1][0])) : null,
				stream.p && stream.s === "running" ? h("span", {}, "phase ", h("b", {}, clean(stream.p))) : null,
				progress(stream) ? h("span", {}, stream.k ? "tasks " : "progress ", h("b", {}, progress(stream))) : null,
				stream.y && stream.s === "running" ? h("span", {}, "says ", h("b", {}, clean(stream.y))) : null,
				stream.x > 0 ? h("span", {}, "exit status ", h("b", {}, stream.x)) : null,
				stream.g ? h("span", {}, "signal ", h("b", {}, stream.g)) : null,
				stream.b ? h("span", {}, "output ", h("b", {}, bytes(stream.b))) : null,
				stream.ag ? h("span", {}, "agent ", h("b", {}, clean(stream.ag))) : null,
				stream.c ? h("span", {}, "cost ", h("b", {}, money(stream.c))) : null,
				stream.tk ? h("span", {}, h("b", {}, stream.tk.toLocaleString("en")), " tokens") : null,
				stream.r && (stream.s === "running" || stream.s === "completed") && stream.r !== stream.m ? h("span", {}, clean(stream.r)) : null),
			links("Waits for", run.needs?.get(stream.i)), links("Needed by", run.feeds?.get(stream.i)));
		this.tick();
		if (focus)
			this.about.querySelector("[data-act=\"" + focus + "\"]")?.focus();
	}
	tick() {
		const time = this.run.time(this.seen);
		if (this.time && time !== null)
			this.time.textContent = this.seen.s === "running" ? ticking(time) : duration(time);
	}
}

/* Output of programs as text and colours. A state that goes on over pieces; what it makes are text nodes and spans. */
class Paint {
	constructor() {
		this.reset();
	}
	reset() {
		Object.assign(this, { fg: -1, bg: -1, bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false });
	}
	/* adds one line (or what there is of it) to the node */
	line(node, text) {
		const pieces = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
		let from = 0, found;
		while ((found = pieces.exec(text))) {
			this.text(node, text.slice(from, found.index));
			from = pieces.lastIndex;
			if (found[2] === "m" && /^[0-9;:]*$/.test(found[1]))
				this.style(found[1].split(/[;:]/).map(Number));
		}
		this.text(node, text.slice(from));
	}
	style(codes) {
		for (let at = 0; at < codes.length; at++) {
			const code = codes[at];
			if (code === 0)
				this.reset();
			else if (code === 1 || code === 2)
				this[code === 1 ? "bold" : "dim"] = true;
			else if (code === 3 || code === 4 || code === 7 || code === 9)
				this[{ 3: "italic", 4: "underline", 7: "inverse", 9: "strike" }[code]] = true;
			else if (code === 22)
				this.bold = this.dim = false;
			else if (code === 23 || code === 24 || code === 27 || code === 29)
				this[{ 23: "italic", 24: "underline", 27: "inverse", 29: "strike" }[code]] = false;
			else if (code >= 30 && code <= 37 || code >= 90 && code <= 97)
				this.fg = code >= 90 ? code - 82 : code - 30;
			else if (code >= 40 && code <= 47 || code >= 100 && code <= 107)
				this.bg = code >= 100 ? code - 92 : code - 40;
			else if (code === 39 || code === 49)
				this[code === 39 ? "fg" : "bg"] = -1;
			else if (code === 38 || code === 48) {
				const which = code === 38 ? "fg" : "bg";
				if (codes[at + 1] === 5) {
					this[which] = codes[at + 2] & 255;
					at += 2;
				} else if (codes[at + 1] === 2) {
					this[which] = "rgb(" + codes.slice(at + 2, at + 5).map(x => x & 255).join(",") + ")";
					at += 4;
				}
			}
		}
	}
	color(value) {
		if (typeof value === "string")
			return value;
		if (value < 16)
			return "var(--a" + value + ")";
		if (value >= 232)
			return "rgb(" + Array(3).fill(8 + 10 * (value - 232)).join(",") + ")";
		const step = x => x ? 55 + 40 * x : 0;
		return "rgb(" + [Math.floor((value - 16) / 36), Math.floor((value - 16) / 6) % 6, (value - 16) % 6].map(step).join(",") + ")";
	}
	text(node, text) {
		if (!text)
			return;
		text = text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
		const names = [this.bold && "ab", this.dim && "ad", this.italic && "ai", this.underline && "au", this.strike && "as"].filter(Boolean).join(" ");
		const fg = this.inverse ? this.bg : this.fg, bg = this.inverse ? this.fg : this.bg;
		if (!names && fg === -1 && bg === -1 && !this.inverse) {
			node.append(text);
			return;
		}
		const span = h("span", { class: names || null }, text);
		if (fg !== -1 || this.inverse)
			span.style.color = fg === -1 ? "var(--log)" : this.color(fg);
		if (bg !== -1 || this.inverse)
			span.style.background = bg === -1 ? "var(--text)" : this.color(bg);
		node.append(span);
	}
}

const linesMax = 6000, blockLines = 200;

class Log {
	constructor(detail, attempt) {
		Object.assign(this, { detail, box: detail.logBox, paint: new Paint(), following: true, lines: 0, rest: "", from: null, at: null });
		this.parameters = { project: detail.run.project, run: detail.run.head.run, stream: detail.stream.n, attempt };
		this.box.replaceChildren();
		this.more = h("button", { type: "button", onclick: () => this.earlier() }, "Load what is before");
		this.onscroll = () => {
			const end = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 30;
			if (end !== this.following && !this.moving)
				this.follow(end, true);
		};
		this.box.addEventListener("scroll", this.onscroll, { passive: true });
		this.follow(true);
		this.feed = new Feed("log", this.parameters, {
			log: data => this.add(data),
			opened: () => this.begin(),
			refused: text => this.box.replaceChildren(h("div", { class: "cut" }, clean(text))),
		}, true);
	}
	close() {
		this.feed.close();
		this.box.removeEventListener("scroll", this.onscroll);
		CSS.highlights?.clear();
	}
	begin() {
		this.box.replaceChildren();
		Object.assign(this, { lines: 0, rest: "", at: null, from: null, block: null, open: null, paint: new Paint() });
	}
	add({ at, end, text }) {
		if (this.from === null) {
			this.from = at;
			this.box.replaceChildren();
			if (at > 0)
				this.box.append(h("div", { class: "cut" }, this.more));
			if (!text)
				this.box.append(this.nothing = h("div", { class: "cut" }, "No output yet."));
		} else if (at < this.at) {
			this.begin();
			this.from = at;
		} else if (at > this.at) {
			this.box.append(h("div", { class: "cut" }, bytes(at - this.at) + " left out: it came faster than it could be shown"));
			this.block = null;
		}
		if (text)
			this.nothing?.remove();
		this.at = end;
		this.append(text);
		if (this.term)
			this.search(this.term, true);
		this.stick();
	}
	append(text) {
		const lines = (this.rest + text.replace(/\r\n/g, "\n")).split("\n");
		/* a line that has not come to its end is drawn again with what comes */
		if (this.open) {
			this.open.remove();
			this.lines--;
			Object.assign(this.paint, this.before);
		}
		this.open = null;
		this.rest = lines.pop();
		for (const line of lines)
			this.line(line);
		if (this.rest) {
			this.before = { ...this.paint };
			this.open = this.line(this.rest);
		}
		while (this.lines > linesMax && this.box.querySelector(".block") !== this.block) {
			const old = this.box.querySelector(".block");
			this.lines -= old.childElementCount;
			old.remove();
			this.dropped = true;
		}
	}
	line(text) {
		const node = document.createElement("div");
		/* what a carriage return wrote over is gone */
		const back = text.replace(/\r+$/, "").lastIndexOf("\r");
		this.paint.line(node, (back >= 0 ? text.slice(back + 1) : text).replace(/\r+$/, ""));
		if (!this.block || this.block.childElementCount >= blockLines) {
			this.block = h("div", { class: "block" });
			this.box.append(this.block);
		}
		this.block.append(node);
		this.lines++;
		return node;
	}
	async earlier() {
		try {
			const part = await ask("part", { ...this.parameters, end: this.from });
			const box = this.box, end = box.scrollHeight - box.scrollTop;
			const paint = new Paint(), block = h("div", { class: "block" });
			for (const line of part.text.replace(/\n$/, "").split("\n")) {
				const node = document.createElement("div");
				paint.line(node, line.replace(/\r+$/, "").replace(/^.*\r/, ""));
				block.append(node);
			}
			this.from = part.at;
			this.more.parentElement.after(block);
			if (part.at <= 0)
				this.more.parentElement.remove();
			box.scrollTop = box.scrollHeight - end;
		} catch (error) {
			toast(error.message, true);
		}
	}
	follow(on, byHand) {
		this.following = on;
		this.detail.followButton.setAttribute("aria-pressed", String(on));
		if (on && !byHand)
			this.stick();
	}
	stick() {
		if (!this.following)
			return;
		this.moving = true;
		this.box.scrollTop = this.box.scrollHeight;
		requestAnimationFrame(() => {
			if (this.following)
				this.box.scrollTop = this.box.scrollHeight;
			this.moving = false;
		});
	}
	/* marked without a change of the text, where the browser can */
	search(term, quiet) {
		this.term = term;
		this.found = [];
		if (term && CSS.highlights) {
			const walk = document.createTreeWalker(this.box, NodeFilter.SHOW_TEXT), lower = term.toLowerCase();
			for (let node = walk.nextNode(); node && this.found.length < 5000; node = walk.nextNode()) {
				const text = node.data.toLowerCase();
				for (let at = text.indexOf(lower); at >= 0; at = text.indexOf(lower, at + lower.length)) {
					const range = new Range();
					range.setStart(node, at);
					range.setEnd(node, Math.min(node.length, at + lower.length));
					this.found.push(range);
				}
			}
			CSS.highlights.set("found", new Highlight(...this.found));
		} else {
			CSS.highlights?.clear();
		}
		this.detail.count.textContent = term ? this.found.length + " found" : "";
		if (!quiet) {
			this.where = this.found.length;
			if (term && this.found.length)
				this.next(-1);
		}
	}
	next(by) {
		if (!this.found?.length)
			return;
		this.where = ((this.where ?? 0) + by + this.found.length) % this.found.length;
		const range = this.found[this.where];
		CSS.highlights.set("here", new Highlight(range));
		this.follow(false);
		range.startContainer.parentElement.scrollIntoView({ block: "center" });
		this.detail.count.textContent = this.where + 1 + " of " + this.found.length;
	}
}

/* --- where we are --- */

let view = null;

function route() {
	if (/^#token=/.test(location.hash)) {
		takeToken();
		start();
		return;
	}
	const [, project, run, tab, name] = location.hash.split("/");
	if (!project) {
		view?.close();
		view = new Board();
		return;
	}
	if (!(view instanceof Run) || view.project !== project || view.run !== (run || "last")) {
		view?.close();
		view = new Run(project, run || "last");
	}
	let stream = "";
	try {
		stream = decodeURIComponent(name || "");
	} catch { /* no address of ours */ }
	view.go(tabs.some(([id]) => id === tab) ? tab : "streams", stream);
}

const themes = ["auto", "light", "dark"];
function setTheme(theme) {
	if (theme === "auto")
		delete document.documentElement.dataset.theme;
	else
		document.documentElement.dataset.theme = theme;
	$("theme").textContent = { auto: "◐", light: "☀", dark: "☾" }[theme];
	$("theme").title = "Light or dark: " + theme;
	try {
		localStorage.setItem("orch-theme", theme);
	} catch { /* not kept, then */ }
	setTheme.now = theme;
}

async function start() {
	if (!token) {
		askForToken();
		return;
	}
	try {
		hello = await ask("hello");
	} catch (error) {
		if (view === null && token)
			showLink("off", clean(error.message));
		return;
	}
	if (hello.here && (location.hash === "" || location.hash === "#/")) {
		Board.seen = true;
		history.replaceState(null, "", "#/" + hello.here + "/last");
	}
	route();
}

document.addEventListener("keydown", event => {
	const field = event.target.closest?.("input, select, textarea");
	if (event.ctrlKey || event.metaKey || event.altKey || $("dialog").open)
		return;
	if (field) {
		if (event.key === "Escape") {
			field.blur();
			if ("value" in field && field.type === "search" && field.value) {
				field.value = "";
				field.dispatchEvent(new Event("input"));
			}
		}
		return;
	}
	if (event.target.closest?.(".log, .scroll") && /^(Arrow|Page)/.test(event.key))
		return;
	if (view?.key?.(event))
		event.preventDefault();
});
addEventListener("hashchange", route);
$("skip").addEventListener("click", event => { event.preventDefault(); $("main").focus(); });
$("help").addEventListener("click", showKeys);
$("theme").addEventListener("click", () => setTheme(themes[(themes.indexOf(setTheme.now) + 1) % 3]));
setInterval(() => !document.hidden && view?.tick?.(), 1000);
let theme = "auto";
try {
	theme = localStorage.getItem("orch-theme") || "auto";
} catch { /* the default, then */ }
setTheme(themes.includes(theme) ? theme : "auto");
takeToken();
start();
