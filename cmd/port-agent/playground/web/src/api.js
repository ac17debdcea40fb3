// The server's side of the page.

/**
 * @typedef {{mapping: string, event: string, response: string, poll: string, env: Record<string, string>}} State
 * @typedef {{from: number, to: number, line: number, column: number, warning: boolean, where: string, message: string, hint: string}} Finding
 * @typedef {{rule: number, enabled: boolean, why: string}} Considered
 * @typedef {{method: string, url: string | null, headers: Record<string, string>, query: Record<string, string[]>, body: unknown}} Request
 * @typedef {{status?: string, link?: string | string[], summary?: string, externalRunId?: string, statusLabel?: string}} Report
 * @typedef {{rule: number | null, name: string | null, backend: string | null, considered: Considered[], request: Request | null,
 *   report: Report | null, warnings: string[], poll?: PollReport | null}} View
 * @typedef {Report & {log?: string[]}} PollReport
 * @typedef {{event: string, forAgent: boolean, verified: string, names: string[], rules: number, stopped: string[], doubts: string[],
 *   added: string[] | null, signed: string[] | null, heading: string, good: boolean, response: unknown, notice: string, followed: string}} Details
 * @typedef {{findings: Finding[], faults: Record<string, string>, jq?: {value: unknown, error: string}, view: View | null, details: Details | null}} Verdict
 * @typedef {State & {given: boolean, file: string, version: string, write: boolean, examples: Named[], events: Named[], schema: Schema}} Opening
 * @typedef {{description?: string, properties?: Record<string, Schema>, anyOf?: Schema[], items?: Schema, $defs?: Record<string, Schema>}} Schema
 * @typedef {{name: string, title: string}} Named
 */

/** An answer that is no success. */
export class Refused extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.error ?? `the playground answers ${status}`)
    this.status = status
    this.body = body
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 */
async function call(path, options) {
  const response = await fetch(path, options)
  const body = response.headers.get("Content-Type") === "application/json" ? await response.json() : {error: (await response.text()).trim()}
  if (!response.ok) throw new Refused(response.status, body)
  return body
}

/** @param {string} path @param {unknown} body @param {AbortSignal} [signal] */
const post = (path, body, signal) =>
  call(path, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body), signal})

/** @returns {Promise<Opening>} */
export const start = () => call("/api/start")
/** @param {string} name @returns {Promise<State>} */
export const example = name => call("/api/examples/" + encodeURIComponent(name))
/** @param {string} id @returns {Promise<{event: string}>} */
export const event = id => call("/api/events/" + encodeURIComponent(id))
/** @param {State & {jq: string}} state @param {AbortSignal} signal @returns {Promise<Verdict>} */
export const explain = (state, signal) => post("/api/explain", state, signal)
/** @param {string} mapping @param {string} version @returns {Promise<{version: string}>} */
export const save = (mapping, version) => post("/api/save", {mapping, version})
/** @param {State & {name: string}} state @returns {Promise<{file: string, text: string, written: boolean}>} */
export const saveCase = state => post("/api/case", state)
