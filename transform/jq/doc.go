// Package jq runs jq expressions on values that strangers have made.
//
// gojq compiles and runs them, with the definitions of prelude.jq in front: what
// jq 1.5 does otherwise, and guards against values that are made to hurt. Each
// evaluation has a deadline, a count of steps and a count of the bytes that it
// makes; regular expressions, sums, products, comparisons of each with each,
// numbers of many digits and indexes from a value are bounded before they happen,
// and evaluations that take much run one at a time. The author of an expression
// is trusted: nothing bounds what only the author can write, such as
// .b[500000000] = 1 or forty doublings of a list.
//
// The package does not know where an expression comes from or what its result
// is for. No error of an evaluation shows a value of the input. It alone imports
// gojq, and no type of gojq is in its API. Any package may import it.
//
// Values are what decoded JSON is made of: nil, bool, int, float64, *big.Int,
// string, []any and map[string]any; json.Number is accepted as well. Values
// that come out share no list and no object with the values that went in, and
// hold neither NaN nor an infinity nor invalid UTF-8.
package jq
