// What came out: rules, findings, request, report.
import {element, jsonBlock, make} from "./dom.js"

/**
 * @typedef {import("./api.js").Verdict} Verdict
 * @typedef {import("./api.js").View} View
 * @typedef {import("./api.js").Details} Details
 * @typedef {{rule: (index: number) => void, finding: (f: import("./api.js").Finding) => void, answer: () => void}} Jumps
 */

/** @param {string} id @param {(Node | string | false | null | undefined)[]} content */
const fill = (id, ...content) => {
  const pane = element("#" + id)
  const top = pane.scrollTop
  pane.replaceChildren(...content.filter(c => c !== false && c !== null && c !== undefined))
  pane.scrollTop = top
  pane.classList.remove("stale")
}

/**
 * Shows a verdict. What could not be evaluated keeps what it showed, faded.
 * @param {Verdict} verdict
 * @param {Jumps} jumps
 */
export function show(verdict, jumps) {
  showFindings(verdict, jumps)
  const {view, details} = verdict
  if (!view || !details) {
    for (const id of ["rules", "request", "report"]) element("#" + id).classList.add("stale")
    element("#event-about").textContent = "nothing is evaluated until the fault is mended"
    return
  }
  element("#event-about").textContent = details.event
  element("#event-about").title = details.event
  showRules(view, details, jumps)
  showRequest(view, details)
  showReport(view, details, jumps)
}

/** @param {Verdict} verdict @param {Jumps} jumps */
function showFindings({findings, faults, view}, jumps) {
  const errors = findings.filter(f => !f.warning).length
  const warnings = findings.length - errors
  const parts = []
  if (errors) parts.push(errors === 1 ? "1 error" : `${errors} errors`)
  if (warnings) parts.push(warnings === 1 ? "1 warning" : `${warnings} warnings`)
  const count = element("#count")
  count.textContent = parts.join(", ")
  count.className = "badge " + (errors ? "bad" : "warn")
  const places = /** @type {Record<string, string>} */ ({event: "Event", response: "Answer", poll: "Poll", env: "Environment"})
  fill("findings",
    ...Object.entries(faults).map(([where, text]) => make("div.finding", {}, make("span.where", {}, places[where] ?? where), " ", text)),
    ...findings.map(f => make(f.warning ? "button.finding.warning" : "button.finding", {type: "button", click: () => jumps.finding(f)},
      make("span.where", {}, [f.line ? `${f.line}:${f.column}` : "", f.where].filter(Boolean).join(" "), " "), f.message,
      f.hint && make("div.hint", {}, f.hint))),
    !findings.length && !Object.keys(faults).length && make("p.faint", {}, view ? "Nothing is wrong with the mapping." : ""))
}

/** @param {View} view @param {Details} details @param {Jumps} jumps */
function showRules(view, details, jumps) {
  const rows = view.considered.map((r, i) => {
    const failed = /^enabled failed/.test(r.why)
    return make("button.rule" + (r.enabled ? ".taken" : failed ? ".failed" : ""), {type: "button", click: () => jumps.rule(r.rule)},
      make("div", {}, make("span.name", {}, label(r.rule, details.names[i])), " ",
        make(r.enabled ? "span.good" : failed ? "span.bad" : "span.faint", {}, r.enabled ? "takes the event" : failed ? "fails" : "does not match")),
      ...why(r.why))
  })
  for (let i = view.considered.length; i < details.rules; i++) {
    rows.push(make("button.rule", {type: "button", click: () => jumps.rule(i)}, make("span.later", {}, `rule ${i}: not reached`)))
  }
  fill("rules",
    !details.forAgent && make("div.stopped", {}, "Not for the agent: the invocation method does not say agent: true."),
    details.verified === "wrong" && make("div.stopped", {}, "The signature is wrong: the agent drops the event."),
    view.rule === null && make("div.stopped", {}, details.rules ? "No rule matches: the agent leaves the event alone." : "The mapping has no rules."), ...rows)
}

/** @param {number} index @param {string} [name] */
const label = (index, name) => name ? `${index} ${name}` : `rule ${index}`

/**
 * The reason of a verdict, with what the event holds on a line of its own.
 * @param {string} text
 */
function why(text) {
  const [, reason, expression, found] = text.match(/^(.*?)(?:: (.*?))?(?: \(((?:\.[\w.]+ is ).*)\))?$/s) ?? [text, text]
  return [
    make("div.why", {}, reason, expression ? ": " : "", expression ? make("code", {}, expression) : ""),
    found ? make("div.found", {}, make("code", {}, found)) : "",
  ]
}

/** @param {View} view @param {Details} details */
function showRequest({request, backend, warnings}, details) {
  element("#backend").textContent = backend ?? ""
  if (!request) {
    fill("request", ...details.stopped.map(s => make("div.stopped", {}, s)), make("p.faint", {}, "Nothing is sent."))
    return
  }
  const signed = new Set(details.signed ?? [])
  const query = Object.entries(request.query).flatMap(([name, values]) => values.map(v => row(name, v)))
  const proofs = (details.added ?? []).filter(name => signed.has(name)).map(name =>
    row(name, make("span.badge", {}, name === "Authorization" ? "the agent’s token" : "signature"), make("span.faint", {}, " made when it is sent")))
  const usual = (details.added ?? []).filter(name => !signed.has(name))
  fill("request",
    ...details.stopped.map(s => make("div.stopped", {}, "Not sent. " + s.replace(/^nothing is sent: /, ""))),
    make("div.line", {}, make("span.method", {}, request.method), " ", make("span.url", {}, request.url ?? "(no URL)")),
    ...details.doubts.map(d => make("div.doubt", {}, d)),
    query.length > 0 && make("h3", {}, "Query"), query.length > 0 && make("table", {}, ...query),
    make("h3", {}, "Headers"), make("table", {}, ...Object.entries(request.headers).map(([name, v]) => row(name, v)), ...proofs),
    usual.length > 0 && make("div.faint.usual", {}, "and, as in every request, " + usual.join(", ")),
    make("h3", {}, "Body"), typeof request.body === "string" ? make("pre", {}, request.body) : jsonBlock(request.body))
}

/** @param {string} name @param {...(string | Node)} value */
const row = (name, ...value) => make("tr", {}, make("th", {scope: "row"}, name), make("td", {}, ...value))

/** @param {View} view @param {Details} details @param {Jumps} jumps */
function showReport(view, details, jumps) {
  if (!view.report) {
    fill("report", make("p.faint", {}, view.rule === null ? "Nothing is reported to Port." : "There is no answer yet. With one, this shows what Port is told."),
      view.rule !== null && make("button", {type: "button", click: jumps.answer}, "Write an answer"))
    return
  }
  fill("report",
    make("p", {class: details.good ? "line good" : "line bad"}, details.heading[0].toUpperCase() + details.heading.slice(1) + "."),
    page(view.report), details.notice && make("p.faint", {}, details.notice + "."),
    details.followed && make("p", {}, "Followed: ", make("code", {}, details.followed)),
    ...(view.poll ? followed(view.poll) : []),
    details.response !== null && make("h3", {}, "Response"),
    details.response !== null && (typeof details.response === "string" ? make("pre", {}, details.response) : jsonBlock(details.response)))
}

/** @param {import("./api.js").Report} report the run's page, as far as it goes */
function page(report) {
  const links = [report.link ?? []].flat()
  const status = report.status === "SUCCESS" || report.status === "FAILURE" ? report.status : "open"
  return make("div.box", {},
    make("div.line", {}, make(`span.status.${status}`, {}, report.status || "IN PROGRESS"), " ", report.statusLabel ?? ""),
    report.summary && make("div.line", {}, report.summary),
    links.length + (report.externalRunId ? 1 : 0) > 0 && make("table", {}, ...links.map(l => row("link", l)), report.externalRunId ? row("run id", report.externalRunId) : ""))
}

/** @param {import("./api.js").PollReport} poll what Port is told after a look at the pipeline */
const followed = poll => [
  make("h3", {}, "After the poll"), page(poll), poll.log?.length ? make("h3", {}, "Log of the run") : "", poll.log?.length ? make("pre", {}, poll.log.join("\n")) : "",
]

/** @param {{value: unknown, error: string} | undefined} tried */
export function showTried(tried) {
  const out = element("#jq-result")
  if (!tried) out.replaceChildren()
  else if (tried.error) out.replaceChildren(make("span.bad", {}, tried.error))
  else out.replaceChildren(jsonBlock(tried.value))
}
