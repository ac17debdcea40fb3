// The mapping as a language: JSON in which the strings of some fields are jq.
import {jsonLanguage} from "@codemirror/lang-json"
import {LanguageSupport, syntaxTree} from "@codemirror/language"
import {parseMixed} from "@lezer/common"
import {jq} from "./jq.js"

/** @typedef {import("@lezer/common").SyntaxNode} SyntaxNode */

/** Fields of a rule whose strings are expressions. */
const expressions = new Set(["enabled", "url", "method", "headers", "query", "body", "report", "orderBy", "follow"])
/** Fields of follow whose strings are not. */
const plainFollow = new Set(["success", "project"])

/**
 * Names the fields around a value, the rule's own first.
 * @param {SyntaxNode} node
 * @param {(from: number, to: number) => string} read
 */
export function fieldsOf(node, read) {
  const names = []
  for (let at = node.parent; at; at = at.parent) {
    if (at.name !== "Property") continue
    const name = at.firstChild
    if (name) names.unshift(read(name.from + 1, name.to - 1))
  }
  return names[0] === "rules" ? names.slice(1) : names
}

/** @param {string[]} fields */
const isExpression = fields => expressions.has(fields[0]) && !(fields[0] === "follow" && plainFollow.has(fields[1]))

/** @returns {LanguageSupport} */
export function mappingLanguage() {
  const wrap = parseMixed((node, input) => {
    if (node.name !== "String" || node.to - node.from < 3) return null
    return isExpression(fieldsOf(node.node, (from, to) => input.read(from, to)))
      ? {parser: jq.parser, overlay: [{from: node.from + 1, to: node.to - 1}]} : null
  })
  return new LanguageSupport(jsonLanguage.configure({wrap}, "mapping"))
}

/**
 * Finds the expression around a place; null where there is none.
 * @param {import("@codemirror/state").EditorState} state
 * @param {number} pos
 * @returns {{field: string, from: number, to: number} | null}
 */
export function expressionAt(state, pos) {
  let node = /** @type {SyntaxNode | null} */ (syntaxTree(state).resolve(pos, -1))
  if (node?.name !== "String") node = syntaxTree(state).resolve(pos, 1)
  if (node?.name !== "String" || pos <= node.from || pos > node.to) return null
  const fields = fieldsOf(node, (from, to) => state.sliceDoc(from, to))
  return isExpression(fields) ? {field: fields[0], from: node.from + 1, to: node.to} : null
}

/**
 * Finds the name of a field around a place, and the fields around that; null
 * where there is none.
 * @param {import("@codemirror/state").EditorState} state
 * @param {number} pos
 * @returns {{outer: string[], from: number} | null}
 */
export function nameAt(state, pos) {
  const node = syntaxTree(state).resolve(pos, -1)
  if (node.name !== "PropertyName" || pos <= node.from || !node.parent) return null
  return {outer: fieldsOf(node.parent, (from, to) => state.sliceDoc(from, to)), from: node.from + 1}
}

/**
 * Gives the places of the rules of a mapping.
 * @param {import("@codemirror/state").EditorState} state
 * @returns {{from: number, to: number}[]}
 */
export function rulePlaces(state) {
  let list = syntaxTree(state).topNode.firstChild
  if (list?.name === "Object") {
    const property = list.getChildren("Property").find(p => p.firstChild && state.sliceDoc(p.firstChild.from, p.firstChild.to) === '"rules"')
    list = property?.lastChild ?? null
  }
  return list?.name === "Array" ? list.getChildren("Object").map(({from, to}) => ({from, to})) : []
}
