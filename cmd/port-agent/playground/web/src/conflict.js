// What is shown where the file has changed on disk since it was read.
import {button, closeDialog, dialog, make} from "./dom.js"

/**
 * The lines of two texts, in the order in which they turn one into the other.
 * @param {string} theirs
 * @param {string} mine
 * @returns {{line: string, in: "both" | "mine" | "theirs"}[]}
 */
export function difference(theirs, mine) {
  const a = theirs.split("\n"), b = mine.split("\n")
  let head = 0
  while (head < Math.min(a.length, b.length) && a[head] === b[head]) head++
  let tail = 0
  while (tail < Math.min(a.length, b.length) - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail)
  // The longest common subsequence; what is too large is shown as replaced.
  const small = x.length * y.length < 4_000_000
  const table = Array.from({length: x.length + 1}, () => new Uint32Array(small ? y.length + 1 : 0))
  for (let i = x.length - 1; i >= 0 && small; i--) {
    for (let j = y.length - 1; j >= 0; j--) table[i][j] = x[i] === y[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1])
  }
  /** @type {{line: string, in: "both" | "mine" | "theirs"}[]} */
  const out = a.slice(0, head).map(line => ({line, in: "both"}))
  let i = 0, j = 0
  while (i < x.length || j < y.length) {
    if (small && i < x.length && j < y.length && x[i] === y[j]) {
      out.push({line: x[i++], in: "both"})
      j++
    } else if (i < x.length && (j === y.length || !small || table[i + 1][j] >= table[i][j + 1])) out.push({line: x[i++], in: "theirs"})
    else out.push({line: y[j++], in: "mine"})
  }
  return [...out, .../** @type {typeof out} */ (a.slice(a.length - tail).map(line => ({line, in: "both"})))]
}

/**
 * Asks what is to be done.
 * @param {string} file
 * @param {string} theirs
 * @param {string} mine
 * @param {{overwrite: () => void, take: () => void}} choices
 */
export function askAboutConflict(file, theirs, mine, choices) {
  const lines = difference(theirs, mine)
  const near = lines.map((_, i) => lines.slice(Math.max(i - 3, 0), i + 4).some(l => l.in !== "both"))
  const shown = lines.flatMap((l, i) => near[i]
    ? [make("div." + l.in, {}, {both: "  ", mine: "+ ", theirs: "- "}[l.in] + l.line)]
    : near[i - 1] ? [make("div.faint", {}, "  …")] : [])
  /** @param {() => void} act */
  const then = act => () => {
    closeDialog()
    act()
  }
  dialog(`${file} has changed on disk`,
    make("p", {}, "It was not saved. Lines with − are in the file, lines with + are yours."),
    make("div.diff", {tabindex: "0", role: "group", "aria-label": "Difference"}, ...shown),
    make("div.buttons", {}, button("Cancel", closeDialog), button("Take the file’s", then(choices.take)), button("Overwrite with mine", then(choices.overwrite), true)))
}
