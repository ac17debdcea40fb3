// Small helpers for the document. Text goes in as text: nothing of an event or
// an answer is ever read as HTML.

/**
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(selector, type) {
  const found = document.querySelector(selector)
  if (!(found instanceof type)) throw new Error(`${selector} is missing`)
  return found
}

/** @param {string} selector */
export const element = selector => find(selector, HTMLElement)

/**
 * Makes an element.
 * @param {string} tag the name, with classes behind dots
 * @param {Record<string, string | number | boolean | ((e: Event) => void)>} [attributes] a function listens, under a name like "click"
 * @param {...(Node | string | null | undefined | false)} children
 */
export function make(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".")
  const e = document.createElement(name)
  if (classes.length) e.className = classes.join(" ")
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") e.addEventListener(key, value)
    else if (value !== false) e.setAttribute(key, value === true ? "" : String(value))
  }
  e.append(...children.filter(c => c !== null && c !== undefined && c !== false))
  return e
}

const token = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d[\d.eE+-]*/g

/**
 * A JSON value with colours.
 * @param {unknown} value
 */
export function jsonBlock(value) {
  const text = JSON.stringify(value, null, 2) ?? "null"
  const pre = make("pre")
  let at = 0
  for (const m of text.length > 200_000 ? [] : text.matchAll(token)) {
    const kind = m[2] ? "t-key" : m[1] ? "t-text" : m[3] ? "t-word" : "t-number"
    pre.append(text.slice(at, m.index), make("span." + kind, {}, m[1] ?? m[0]), m[2] ?? "")
    at = m.index + m[0].length
  }
  pre.append(text.slice(at))
  return pre
}

/** @param {string} text shown for some seconds */
export function notice(text) {
  const e = element("#notice")
  e.textContent = text
  e.hidden = false
  clearTimeout(hiding)
  hiding = setTimeout(() => { e.hidden = true }, 4000)
}
let hiding = 0

/**
 * Opens the dialog.
 * @param {string} title
 * @param {(Node | string)[]} content
 */
export function dialog(title, ...content) {
  const e = find("#dialog", HTMLDialogElement)
  e.replaceChildren(make("h2", {id: "dialog-title"}, title), ...content)
  if (!e.open) e.showModal()
  return e
}

/** @param {string} text @param {() => void} act @param {boolean} [main] */
export const button = (text, act, main = false) => make(main ? "button.main" : "button", {type: "button", click: act}, text)

export const closeDialog = () => find("#dialog", HTMLDialogElement).close()
