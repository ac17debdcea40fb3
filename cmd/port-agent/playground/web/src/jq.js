// jq as a language of the editor: colours, and the functions it completes.
import {StreamLanguage} from "@codemirror/language"
import {tags} from "@lezer/highlight"

/** Functions by name, with their arguments and what they do. */
export const functions = /** @type {Record<string, string>} */ ({
  length: "length of a text, list or object", utf8bytelength: "bytes of a text", keys: "sorted keys", values: "select(. != null)",
  has: "(key) whether a key is there", in: "(object) whether it is a key there", map: "(f) f of each element", map_values: "(f) f of each value",
  path: "(f) paths that f reads", del: "(paths) without these", to_entries: "list of {key, value}", from_entries: "object of {key, value}",
  with_entries: "(f) f of each {key, value}", select: "(f) itself where f is true, else nothing", empty: "nothing", error: "(text) fails",
  add: "sum of a list", any: "(f) whether f is true of one", all: "(f) whether f is true of all", flatten: "(depth) lists within lists",
  range: "(n) 0 to n-1", floor: "rounded down", ceil: "rounded up", round: "rounded", sqrt: "square root", tostring: "as text", tonumber: "as number",
  type: "its type as text", sort: "sorted", sort_by: "(f) sorted by f", group_by: "(f) lists of equal f", min: "least", max: "greatest",
  min_by: "(f) least by f", max_by: "(f) greatest by f", unique: "sorted, each once", unique_by: "(f) each f once", reverse: "from behind",
  contains: "(b) whether b is in it", inside: "(b) whether it is in b", startswith: "(text)", endswith: "(text)", ltrimstr: "(text) without the beginning",
  rtrimstr: "(text) without the end", trim: "without white space around", ltrim: "without white space before", rtrim: "without white space behind",
  explode: "code points", implode: "text of code points", split: "(separator)", join: "(separator)", ascii_downcase: "in lower case", ascii_upcase: "in upper case",
  recurse: "all values within", tojson: "JSON text", fromjson: "value of a JSON text", todate: "seconds to ISO 8601", fromdate: "ISO 8601 to seconds",
  now: "seconds since 1970", strftime: "(format) date as text", strptime: "(format) text as date", mktime: "date to seconds", gmtime: "seconds to date",
  test: "(regex) whether it matches", match: "(regex) matches with offsets", capture: "(regex) named groups as an object", scan: "(regex) all matches",
  sub: "(regex; text) replaces the first", gsub: "(regex; text) replaces all", splits: "(regex) parts", first: "the first", last: "the last", nth: "(n) the nth",
  limit: "(n; f) the first n of f", until: "(cond; f)", while: "(cond; f)", index: "(text) first place", rindex: "(text) last place", indices: "(text) all places",
  not: "true and false exchanged", isvalid: "(f) whether f works", env: "environment variables", paths: "all paths", getpath: "(path) value there",
  setpath: "(path; value)", delpaths: "(paths)", leaf_paths: "paths of scalars", walk: "(f) f from the leaves up", transpose: "rows to columns",
  ascii: "code to character", infinite: "infinity", nan: "not a number", isnan: "whether it is nan", tostream: "as events", input_line_number: "0",
})

/**
 * What the tokenizer is in: a text, by the quote that ends it, or the
 * parentheses of \(…) in one, by how many more are open.
 * @typedef {{stack: (string | number)[]}} State
 * @typedef {import("@codemirror/language").StringStream} Stream
 */

/**
 * Reads one token. Within a JSON string quotes are escaped: there \" begins and
 * ends a text, and \\( an expression in it.
 * @param {Stream} s
 * @param {State} state
 */
function token(s, state) {
  const top = state.stack.at(-1)
  if (typeof top === "string") return text(s, state, top)
  if (s.eatSpace()) return null
  const quote = s.match('\\"') ? '\\"' : s.match('"') ? '"' : ""
  if (quote) {
    state.stack.push(quote)
    return "string"
  }
  if (s.match(/^\(/)) {
    if (typeof top === "number") state.stack[state.stack.length - 1] = top + 1
    return "punctuation"
  }
  if (s.match(/^\)/)) {
    if (top === 0) state.stack.pop()
    else if (typeof top === "number") state.stack[state.stack.length - 1] = top - 1
    return top === 0 ? "string" : "punctuation"
  }
  return word(s)
}

/** @type {[RegExp, string][]} */
const kinds = [
  [/^#.*/, "comment"], [/^\d+(\.\d+)?([eE][+-]?\d+)?/, "number"], [/^(\$ENV|env)\b(\.[A-Za-z_]\w*)?/, "env"],
  [/^\.\.?[A-Za-z_]\w*|^\.+/, "path"], [/^\$\w+/, "variable"], [/^@\w+/, "call"],
  [/^(and|or|not|if|then|elif|else|end|as|def|reduce|foreach|try|catch|label|true|false|null)\b/, "keyword"], [/^[A-Za-z_]\w*/, "call"],
]

/** @param {Stream} s */
function word(s) {
  for (const [form, kind] of kinds) if (s.match(form)) return kind
  s.next()
  return "punctuation"
}

/**
 * @param {Stream} s
 * @param {State} state
 * @param {string} quote
 */
function text(s, state, quote) {
  const embedded = quote !== '"'
  while (!s.eol()) {
    if (s.match(embedded ? "\\\\(" : "\\(")) {
      state.stack.push(0)
      return "string"
    }
    if (s.match(embedded ? /^\\\\(\\.|.)/ : /^\\./)) continue
    if (s.match(quote)) {
      state.stack.pop()
      return "string"
    }
    s.next()
  }
  return "string"
}

/** @type {StreamLanguage<State>} */
export const jq = StreamLanguage.define({
  name: "jq",
  startState: () => ({stack: []}),
  copyState: state => ({stack: [...state.stack]}),
  token,
  tokenTable: {
    comment: tags.comment, number: tags.number, env: tags.special(tags.variableName), path: tags.variableName, variable: tags.special(tags.variableName),
    call: tags.function(tags.variableName), keyword: tags.keyword, punctuation: tags.punctuation, string: tags.string,
  },
})
