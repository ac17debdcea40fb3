// The table of environment variables: stand-ins, never those of the process.
import {element, make} from "./dom.js"

/**
 * @typedef {{rows: [string, string][], changed: () => void}} Table
 */

/** @param {() => void} changed */
export function envTable(changed) {
  /** @type {Table} */
  const table = {rows: [], changed}
  return {
    /** @returns {Record<string, string>} */
    get: () => Object.fromEntries(table.rows.filter(([name]) => name.trim() !== "").map(([name, value]) => [name.trim(), value])),
    /** @param {Record<string, string>} env @param {string} mapping */
    set(env, mapping) {
      table.rows = Object.entries(env)
      draw(table, mapping)
    },
    /** @param {string} mapping */
    draw: mapping => draw(table, mapping),
  }
}

/**
 * Names the variables that expressions of a mapping read.
 * @param {string} mapping
 */
export const variablesOf = mapping => [...new Set([...mapping.matchAll(/(?:\$ENV|\benv)\.([A-Za-z_]\w*)/g)].map(m => m[1]))]

/** @param {Table} table @param {string} mapping */
function draw(table, mapping) {
  const rows = table.rows.map((row, i) => make("tr", {},
    make("td", {}, field(`Name of variable ${i + 1}`, row[0], text => { row[0] = text; table.changed() })),
    make("td", {}, field(`Value of ${row[0] || "variable " + (i + 1)}`, row[1], text => { row[1] = text; table.changed() })),
    make("td", {}, make("button", {type: "button", "aria-label": `Remove ${row[0]}`, click: () => {
      table.rows.splice(i, 1)
      draw(table, mapping)
      table.changed()
    }}, "×"))))
  /** @param {string} name */
  const add = name => {
    table.rows.push([name, ""])
    draw(table, mapping)
    const inputs = element("#panel-env").querySelectorAll("input")
    inputs[inputs.length - (name ? 1 : 2)]?.focus()
    table.changed()
  }
  const missing = variablesOf(mapping).filter(name => !table.rows.some(([n]) => n === name))
  element("#panel-env").replaceChildren(
    make("p", {}, "All the environment that the mapping and the settings see here. Use stand-ins, not real credentials."),
    make("table", {"aria-label": "Environment variables"}, ...rows),
    make("button.suggest", {type: "button", click: () => add("")}, "Add a variable"),
    ...missing.map(name => make("button.suggest", {type: "button", click: () => add(name)}, `+ ${name}`)))
}

/** @param {string} label @param {string} value @param {(text: string) => void} changed */
function field(label, value, changed) {
  const input = /** @type {HTMLInputElement} */ (make("input", {"aria-label": label, spellcheck: "false", autocomplete: "off"}))
  input.value = value
  input.addEventListener("input", () => changed(input.value))
  return input
}
