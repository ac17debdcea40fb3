// The editors: one setup, in the languages of the panes.
import {closeBrackets, closeBracketsKeymap, completionKeymap} from "@codemirror/autocomplete"
import {defaultKeymap, history, historyKeymap, indentWithTab} from "@codemirror/commands"
import {json, jsonParseLinter} from "@codemirror/lang-json"
import {bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit, syntaxHighlighting} from "@codemirror/language"
import {linter, lintGutter, lintKeymap, previousDiagnostic, setDiagnostics} from "@codemirror/lint"
import {highlightSelectionMatches, search, searchKeymap} from "@codemirror/search"
import {EditorState, Prec} from "@codemirror/state"
import {drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, placeholder} from "@codemirror/view"
import {tagHighlighter, tags} from "@lezer/highlight"
import {jq} from "./jq.js"
import {mappingLanguage} from "./mapping.js"
import {completeLine, completeMapping, hoverValues} from "./paths.js"

const colours = tagHighlighter([
  {tag: tags.propertyName, class: "t-key"}, {tag: tags.string, class: "t-text"}, {tag: tags.number, class: "t-number"},
  {tag: [tags.keyword, tags.bool, tags.null], class: "t-word"}, {tag: tags.variableName, class: "t-path"},
  {tag: tags.function(tags.variableName), class: "t-fn"}, {tag: tags.special(tags.variableName), class: "t-env"},
  {tag: tags.punctuation, class: "t-op"}, {tag: tags.comment, class: "t-comment"},
])

/** The nonce that styles need which are made by a script. */
const nonce = document.querySelector("meta[name=nonce]")
const styleNonce = nonce instanceof HTMLElement ? EditorView.cspNonce.of(nonce.nonce) : []

/** @param {string} label */
const named = label => EditorView.contentAttributes.of({"aria-label": label, tabindex: "0"})

/** @param {() => void} changed */
const onChange = changed => EditorView.updateListener.of(update => {
  if (update.docChanged) changed()
})

const large = [
  styleNonce, lineNumbers(), foldGutter(), history(), drawSelection(), indentOnInput(), indentUnit.of("  "), EditorState.tabSize.of(2),
  syntaxHighlighting(colours), bracketMatching(), closeBrackets(), highlightActiveLine(), highlightActiveLineGutter(), highlightSelectionMatches(),
  search({top: true}), EditorView.lineWrapping,
  keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap,
    {key: "Shift-F8", run: previousDiagnostic}]),
]

/**
 * The editor of the mapping. Tab indents there; Escape and then Tab leaves it.
 * @param {Element} parent
 * @param {import("./paths.js").World} world
 * @param {() => void} changed
 */
export function mappingEditor(parent, world, changed) {
  return new EditorView({parent, extensions: [
    large, keymap.of([indentWithTab]), mappingLanguage(), lintGutter(), completeMapping(world), hoverValues(world, true), named("Mapping"), onChange(changed),
  ]})
}

/**
 * An editor of JSON.
 * @param {Element} parent
 * @param {string} label
 * @param {string} hint shown where it is empty
 * @param {() => void} changed
 */
export function jsonEditor(parent, label, hint, changed) {
  const check = jsonParseLinter()
  return new EditorView({parent, extensions: [
    large, json(), lintGutter(), linter(view => view.state.doc.length ? check(view) : [], {delay: 300}), placeholder(hint), named(label), onChange(changed),
  ]})
}

/**
 * A line of jq.
 * @param {Element} parent
 * @param {import("./paths.js").World} world
 * @param {() => void} changed
 */
export function jqLine(parent, world, changed) {
  const single = EditorState.transactionFilter.of(tr => tr.newDoc.lines > 1 ? [] : tr)
  return new EditorView({parent, extensions: [
    styleNonce, history(), drawSelection(), jq, syntaxHighlighting(colours), bracketMatching(), closeBrackets(), single, completeLine(world), hoverValues(world, false),
    placeholder(".payload.properties | keys"), named("jq expression on the event"), onChange(changed),
    Prec.low(keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap])),
  ]})
}

/** @param {EditorView} view */
export const textOf = view => view.state.doc.toString()

/** @param {EditorView} view @param {string} text */
export function setText(view, text) {
  if (textOf(view) !== text) view.dispatch({changes: {from: 0, to: view.state.doc.length, insert: text}, selection: {anchor: 0}})
}

/**
 * Underlines findings. What has no place is for the list alone.
 * @param {EditorView} view
 * @param {import("./api.js").Finding[]} findings
 */
export function underline(view, findings) {
  const length = view.state.doc.length
  view.dispatch(setDiagnostics(view.state, findings.filter(f => f.line > 0).map(f => ({
    from: Math.min(f.to > f.from ? f.from : Math.max(f.from - 1, 0), length), to: Math.min(f.to, length), // of an end, what stands before it
    severity: f.warning ? "warning" : "error", message: f.hint ? `${f.message}\n${f.hint}` : f.message,
  }))))
}

/**
 * Moves the cursor and the keyboard to a place.
 * @param {EditorView} view
 * @param {number} from
 * @param {number} [to]
 */
export function jump(view, from, to = from) {
  const length = view.state.doc.length
  view.dispatch({
    selection: {anchor: Math.min(from, length), head: Math.min(to, length)},
    effects: EditorView.scrollIntoView(Math.min(from, length), {y: "start", yMargin: 40}),
  })
  view.focus()
}
