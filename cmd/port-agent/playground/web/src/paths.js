// Paths of jq: which one stands at a place, what it leads to, what may follow.
import {autocompletion, snippetCompletion} from "@codemirror/autocomplete"
import {hoverTooltip} from "@codemirror/view"
import {functions} from "./jq.js"
import {expressionAt, nameAt} from "./mapping.js"

/**
 * What expressions see. Roots are decoded JSON.
 * @typedef {{event: () => unknown, answered: () => unknown, variables: () => string[], schema: () => import("./api.js").Schema | undefined}} World
 * @typedef {import("@codemirror/autocomplete").CompletionContext} Context
 */

// One step of a path. Within a JSON string the quotes of ["a b"] are escaped.
const step = String.raw`(?:\.[A-Za-z_]\w*|\.?\[(?:\d+|\\?"(?:[^"\\]|\\[^"])*\\?")?\]|\?)`
const stepForm = new RegExp(step, "g")
const tail = new RegExp(String.raw`(?<![\w)\]])((?:${step})*?)\.([A-Za-z_]\w*)?$`)
const whole = new RegExp(String.raw`(?<![\w)\]"])(?:${step})+`, "g")
const piped = new RegExp(String.raw`(?:^|[(,;\[]|\bif |\bnot |=|\bor |\band )\s*((?:${step})+)\s*\|\s*$`)

/** @param {string} path @returns {(string | number | null)[]} null is [] */
export function steps(path) {
  return (path.match(stepForm) ?? []).filter(s => s !== "?").map(s => {
    const inner = s.match(/\[(.*)\]/)
    if (!inner) return s.slice(1)
    return inner[1] === "" ? null : /^\d/.test(inner[1]) ? Number(inner[1]) : inner[1].replace(/^\\?"|\\?"$/g, "")
  })
}

/**
 * What a path leads to; of a list that is iterated, its first element.
 * @param {unknown} root
 * @param {(string | number | null)[]} path
 * @returns {unknown} undefined: nothing
 */
export function lookup(root, path) {
  let at = /** @type {any} */ (root)
  for (const s of path) {
    if (at === null || typeof at !== "object") return undefined
    at = s === null ? Object.values(at)[0] : Object.hasOwn(at, s) ? at[s] : undefined
  }
  return at
}

/** @param {unknown} v */
export function kind(v) {
  if (Array.isArray(v)) return `list of ${v.length}`
  if (v === null) return "null"
  if (typeof v === "object") return "object"
  const text = JSON.stringify(v)
  return text.length > 40 ? text.slice(0, 39) + "…" : text
}

/**
 * Completes what stands before the cursor in an expression.
 * @param {Context} context
 * @param {number} from where the expression begins
 * @param {unknown} root
 * @param {string[]} variables
 * @param {boolean} embedded in a JSON string
 */
function complete(context, from, root, variables, embedded) {
  const before = context.state.sliceDoc(from, context.pos)
  const env = before.match(/(?:\$ENV|\benv)\.(\w*)$/)
  if (env) return {from: context.pos - env[1].length, options: variables.map(label => ({label, type: "variable"})), validFor: /^\w*$/}
  const path = before.match(tail)
  if (path) return completePath(context, before, path, root, embedded)
  const word = before.match(/(?<![.$@\w"])[a-z_]\w*$/)
  if (!word && !context.explicit) return null
  return {from: context.pos - (word?.[0].length ?? 0), options: functionOptions, validFor: /^\w*$/}
}

const functionOptions = Object.entries(functions).map(([label, detail]) => detail.startsWith("(")
  ? snippetCompletion(label + "(${})", {label, detail, type: "function"}) : {label, detail, type: "function"})

/** @param {Context} context @param {string} before @param {RegExpMatchArray} path @param {unknown} root @param {boolean} embedded */
function completePath(context, before, path, root, embedded) {
  const typed = path[2] ?? ""
  const start = before.length - path[0].length
  const base = before.slice(0, start).match(piped)
  if (!base && /\|\s*$/.test(before.slice(0, start))) return null // what comes out of a pipe is not known here
  const at = lookup(root, [...steps(base?.[1] ?? ""), ...steps(path[1])])
  if (at === null || typeof at !== "object" || Array.isArray(at)) return null
  const quote = embedded ? '\\"' : '"'
  const options = Object.entries(at).map(([name, v]) => {
    const plain = /^[A-Za-z_]\w*$/.test(name)
    return {label: name, detail: kind(v), type: "property", apply: plain ? name : `[${quote}${name}${quote}]`}
  })
  return {from: context.pos - typed.length, options, validFor: /^\w*$/}
}

/** Completion in the mapping. @param {World} world */
export const completeMapping = world => autocompletion({
  icons: false, activateOnTypingDelay: 60,
  override: [context => {
    const name = nameAt(context.state, context.pos)
    if (name) return completeName(context, name, world.schema())
    const at = expressionAt(context.state, context.pos)
    return at && complete(context, at.from, rootOf(at.field, world), world.variables(), true)
  }],
})

/**
 * Completes the name of a field by the schema of the mapping.
 * @param {Context} context
 * @param {{outer: string[], from: number}} name
 * @param {import("./api.js").Schema | undefined} schema
 */
function completeName(context, {outer, from}, schema) {
  let at = schema?.$defs?.rules?.items
  for (const field of outer) {
    const inner = /** @type {import("./api.js").Schema | undefined} */ (at?.properties?.[field])
    at = inner?.properties ? inner : inner?.anyOf?.find(s => s.properties)
  }
  const options = Object.entries(at?.properties ?? {}).map(([label, {description}]) => ({label, info: description, type: "property"}))
  return options.length ? {from, options, validFor: /^\w*$/} : null
}

/** Completion in a line of jq. @param {World} world */
export const completeLine = world => autocompletion({
  icons: false, activateOnTypingDelay: 60, override: [context => complete(context, 0, world.event(), world.variables(), false)],
})

/** @param {string} field @param {World} world */
const rootOf = (field, world) => field === "report" || field === "follow" ? world.answered() : world.event()

/**
 * Shows the value of the path under the pointer.
 * @param {World} world
 * @param {boolean} embedded
 */
export const hoverValues = (world, embedded) => hoverTooltip((view, pos) => {
  const at = embedded ? expressionAt(view.state, pos) : {field: "", from: 0, to: view.state.doc.length}
  if (!at) return null
  const text = view.state.sliceDoc(at.from, at.to)
  for (const found of text.matchAll(whole)) {
    const from = at.from + found.index
    if (pos < from || pos > from + found[0].length) continue
    let path = ""
    for (const s of found[0].matchAll(stepForm)) {
      path += s[0]
      if (from + s.index + s[0].length >= pos) break
    }
    return {pos: from, end: from + path.length, above: true, create: () => ({dom: card(path, lookup(rootOf(at.field, world), steps(path)))})}
  }
  return null
})

const maxValue = 2000

/** @param {string} path @param {unknown} value */
function card(path, value) {
  const dom = document.createElement("div")
  dom.className = "value"
  const name = document.createElement("b")
  name.textContent = path.replaceAll('\\"', '"')
  const text = value === undefined ? "nothing there: null" : JSON.stringify(value, null, 2)
  dom.append(name, text.length > maxValue ? text.slice(0, maxValue) + "…" : text)
  return dom
}
