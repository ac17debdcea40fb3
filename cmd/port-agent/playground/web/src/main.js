// The page: what is typed is evaluated after a pause, what comes out is shown.
import * as api from "./api.js"
import {askAboutConflict} from "./conflict.js"
import {button, closeDialog, dialog, element, find, make, notice} from "./dom.js"
import {jqLine, jsonEditor, jump, mappingEditor, setText, textOf, underline} from "./editor.js"
import {envTable, variablesOf} from "./env.js"
import {rulePlaces} from "./mapping.js"
import {show, showTried} from "./panes.js"
import {pack, unpack} from "./share.js"
import {splitters} from "./split.js"

const pause = 200 // ms after the last key

/** What expressions see, for completion and hovering. */
let event = /** @type {unknown} */ (null)
let answered = /** @type {Record<string, unknown>} */ ({})
/** @returns {string[]} */
const variables = () => [...new Set([...Object.keys(env.get()), ...variablesOf(textOf(editors.mapping))])]
const world = {event: () => event, answered: () => answered, variables, schema: () => opening?.schema}

const answerHint = '{"statusCode": 200, "headers": {}, "json": {}}'
const editors = {
  mapping: mappingEditor(element("#mapping"), world, changed),
  event: jsonEditor(element("#panel-event"), "Event", "An event as it stands in the topic", changed),
  response: jsonEditor(element("#panel-response"), "Answer", "The backend’s answer, such as " + answerHint, changed),
  poll: jsonEditor(element("#panel-poll"), "Poll", "What a look at the pipeline gives, such as " + answerHint, changed),
  jq: jqLine(element("#jq"), world, changed),
}
const env = envTable(changed)
const inputs = /** @type {const} */ (["event", "response", "poll", "env"])

let opening = /** @type {api.Opening} */ (/** @type {unknown} */ (null))
let timer = 0
let running = new AbortController()

/** @returns {api.State & {jq: string}} */
const state = () => ({
  mapping: textOf(editors.mapping), event: textOf(editors.event), response: textOf(editors.response), poll: textOf(editors.poll), env: env.get(), jq: textOf(editors.jq),
})

/** @param {Partial<api.State & {jq: string}>} s */
function restore(s) {
  for (const name of /** @type {const} */ (["mapping", "event", "response", "poll", "jq"])) setText(editors[name], typeof s[name] === "string" ? s[name] : "")
  const texts = Object.entries(s.env ?? {}).filter(([, v]) => typeof v === "string")
  env.set(Object.fromEntries(texts), textOf(editors.mapping))
  evaluate()
}

function changed() {
  clearTimeout(timer)
  running.abort() // its answer is no longer of interest
  timer = setTimeout(evaluate, pause)
}

async function evaluate() {
  clearTimeout(timer)
  running.abort()
  const mine = running = new AbortController()
  const now = state()
  const started = performance.now()
  parseWorld(now)
  try {
    const verdict = await api.explain(now, mine.signal)
    if (mine !== running) return
    answered.request = verdict.view?.request ?? null
    underline(editors.mapping, verdict.findings)
    show(verdict, jumps)
    showTried(verdict.jq)
    faults(verdict.faults)
    element("#took").textContent = `${Math.round(performance.now() - started)} ms`
    requestAnimationFrame(() => performance.measure("result", {start: started}))
    document.body.dataset.evaluated = String(Number(document.body.dataset.evaluated ?? 0) + 1)
  } catch (err) {
    if (!mine.signal.aborted) notice(err instanceof api.Refused ? err.message : "The playground does not answer. Is it still running?")
  }
  store("state", now)
}

/** Keeps the last event and answer that are JSON. @param {api.State} now */
function parseWorld(now) {
  /** @param {string} text @param {unknown} last */
  const parse = (text, last) => {
    try { return text.trim() ? JSON.parse(text) : undefined } catch { return last }
  }
  event = parse(now.event, event)
  /** @param {any} a */
  const complete = a => a && typeof a === "object" ? {statusCode: 200, headers: {}, text: "", json: null, ...a} : a
  answered = {body: event, request: answered.request ?? null, response: complete(parse(now.response, answered.response))}
  const poll = complete(parse(now.poll, null))
  if (poll) answered.poll = poll
}

/** @param {Record<string, string>} found */
function faults(found) {
  for (const name of inputs) {
    const tab = element("#tab-" + name)
    tab.querySelector(".dot")?.remove()
    if (found[name]) tab.append(make("span.dot", {title: found[name]}))
  }
  const open = inputs.find(name => element("#tab-" + name).ariaSelected === "true")
  element("#input-fault").textContent = open ? found[open] ?? "" : ""
}

const jumps = {
  /** @param {number} index */
  rule(index) {
    const place = rulePlaces(editors.mapping.state)[index]
    if (place) jump(editors.mapping, place.from)
  },
  /** @param {api.Finding} f */
  finding: f => jump(editors.mapping, f.from, f.to),
  answer() {
    if (!textOf(editors.response).trim()) setText(editors.response, '{\n  "statusCode": 200,\n  "headers": {"Content-Type": "application/json"},\n  "json": {}\n}\n')
    openTab("response")
    editors.response.focus()
  },
}

/** @param {string} name */
function openTab(name) {
  for (const other of inputs) {
    const tab = element("#tab-" + other)
    tab.ariaSelected = String(other === name)
    tab.tabIndex = other === name ? 0 : -1
    element("#panel-" + other).hidden = other !== name
  }
  if (name === "env") env.draw(textOf(editors.mapping))
  store("tab", name)
}

/** @param {string} key @param {unknown} value */
function store(key, value) {
  try { localStorage.setItem(key, JSON.stringify(value)) } catch { /* private windows and full disks keep nothing */ }
}

/** @param {string} key */
function stored(key) {
  try { return JSON.parse(localStorage.getItem(key) ?? "null") } catch { return null }
}

async function save(version = opening.version) {
  if (!opening.write) return notice("Start the playground with -write to save the mapping.")
  const mapping = textOf(editors.mapping)
  try {
    opening.version = (await api.save(mapping, version)).version
    notice(`Saved ${opening.file}.`)
  } catch (err) {
    if (!(err instanceof api.Refused) || err.status !== 409) return notice(err instanceof Error ? err.message : String(err))
    const {mapping: theirs, version: now} = err.body
    askAboutConflict(opening.file, theirs, mapping, {
      overwrite: () => save(now),
      take() {
        opening.version = now
        setText(editors.mapping, theirs)
      },
    })
  }
}

function askForCase() {
  const name = /** @type {HTMLInputElement} */ (make("input", {"aria-label": "Name of the case", placeholder: "restart is refused without a reason"}))
  const problem = make("p.bad", {role: "alert"})
  const act = async () => {
    try {
      const {jq: _, ...shown} = state()
      const made = await api.saveCase({...shown, name: name.value.trim()})
      closeDialog()
      if (!made.written) download(made.file, made.text)
      notice(made.written ? `Added to ${made.file}. Run it with port-agent test.` : `Downloaded ${made.file}. Put it beside the mapping.`)
    } catch (err) {
      problem.textContent = err instanceof Error ? err.message : String(err)
    }
  }
  name.addEventListener("keydown", e => { if (e.key === "Enter") act() })
  dialog("Save as test", make("p", {}, "Takes the event, the answer and the stand-ins, and what comes out now as what is expected."), name, problem,
    make("div.buttons", {}, button("Cancel", closeDialog), button(opening.write ? "Save" : "Download", act, true)))
  name.focus()
}

/** @param {string} file @param {string} text */
function download(file, text) {
  const url = URL.createObjectURL(new Blob([text], {type: "application/json"}))
  const link = make("a", {href: url, download: file})
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 1000)
}

async function share() {
  const link = location.origin + "/" + await pack(state())
  const out = /** @type {HTMLInputElement} */ (make("input", {readonly: true, "aria-label": "The link", id: "link"}))
  out.value = link
  const other = /** @type {HTMLInputElement} */ (make("input", {"aria-label": "A link to open", placeholder: "Paste a link from somebody else’s playground"}))
  const open = async () => {
    if (await openLink(other.value)) closeDialog()
  }
  other.addEventListener("keydown", e => { if (e.key === "Enter") open() })
  dialog("Share",
    make("p", {}, "The link holds the mapping, the event, the answers and the stand-ins. It works on this playground; what follows # works on every other. Nothing of it reaches a server."), out,
    make("p", {}, "Open one:"), other,
    make("div.buttons", {}, button("Close", closeDialog), button("Open", open), button("Copy", async () => {
      await navigator.clipboard.writeText(link)
      notice("Copied.")
    }, true)))
  out.select()
}

/** @param {string} link */
async function openLink(link) {
  try {
    const s = await unpack(link)
    if (s) restore(s)
    return Boolean(s)
  } catch {
    notice("The link is damaged.")
    return false
  }
}

function help() {
  const keys = [
    ["F1", "This list"], ["Ctrl-S", "Save the mapping (with -write)"], ["Ctrl-Shift-S", "Save as test"], ["Ctrl-Shift-L", "Share"],
    ["Alt-1 … Alt-9", "Mapping, Event, Answer, Poll, Environment, try jq, Rules, Request, Report"], ["F8, Shift-F8", "Next and previous finding"],
    ["Ctrl-Space", "Complete a path, a function or a variable"], ["Ctrl-F", "Find and replace"], ["Ctrl-Shift-[ and ]", "Fold and unfold"],
    ["Ctrl-M", "Tab moves on instead of indenting; again: it indents"], ["Arrow keys", "On a bar between panes: move it"],
  ]
  dialog("Keys", make("dl", {}, ...keys.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)])),
    make("div.buttons", {}, make("a", {href: "/licences.txt", target: "_blank"}, "Licences"), button("Close", closeDialog, true)))
}

const focusable = [
  () => editors.mapping.focus(), ...inputs.map(name => () => {
    openTab(name)
    const to = name === "env" ? element("#panel-env").querySelector("input, button") : editors[name]
    if (to && "focus" in to && typeof to.focus === "function") to.focus()
  }), () => editors.jq.focus(), ...["rules", "request", "report"].map(id => () => element("#" + id).focus()),
]

document.addEventListener("keydown", e => {
  const control = e.ctrlKey || e.metaKey
  const key = e.key.toLowerCase()
  const act = e.key === "F1" ? help
    : control && e.shiftKey && key === "s" ? askForCase
    : control && e.shiftKey && key === "l" ? share
    : control && !e.shiftKey && key === "s" ? () => save()
    : e.altKey && !control && /^Digit[1-9]$/.test(e.code) ? focusable[Number(e.code.slice(5)) - 1] : null
  if (!act) return
  e.preventDefault()
  act()
}, true)

/** @param {string} id @param {api.Named[]} list @param {(name: string) => Promise<Partial<api.State>>} load */
function menu(id, list, load) {
  const select = find(id, HTMLSelectElement)
  select.append(...list.map(n => make("option", {value: n.name}, n.title)))
  select.addEventListener("change", async () => {
    if (select.value) restore({...state(), ...await load(select.value)})
  })
}

async function begin() {
  opening = await api.start()
  history.replaceState(null, "", "/" + location.hash) // the token has become a cookie
  element("#file").textContent = opening.given ? opening.file : ""
  element("#save").hidden = !opening.write
  menu("#examples", opening.examples, api.example)
  menu("#events", opening.events, api.event)
  element("#events-label").hidden = opening.events.length === 0
  splitters(layout => store("layout", layout)).restore(stored("layout") ?? {})
  for (const [id, act] of /** @type {[string, () => void][]} */ ([["save", () => save()], ["save-case", askForCase], ["share", share], ["help", help]])) {
    element("#" + id).addEventListener("click", act)
  }
  for (const name of inputs) element("#tab-" + name).addEventListener("click", () => openTab(name))
  element("[role=tablist]").addEventListener("keydown", e => {
    const at = inputs.findIndex(name => element("#tab-" + name).ariaSelected === "true")
    const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: 3}[e.key]
    if (to === undefined) return
    openTab(inputs[(to + 4) % 4])
    element("#tab-" + inputs[(to + 4) % 4]).focus()
  })
  addEventListener("hashchange", () => openLink(location.hash))
  openTab(stored("tab") ?? "event")
  if (!await openLink(location.hash)) restore(opening.given ? opening : stored("state") ?? opening)
}

begin().catch(err => notice(err instanceof Error ? err.message : String(err)))
