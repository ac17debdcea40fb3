// Package transform is the mapping language: it reads the mapping file, finds
// the rule for an event, and turns rule and event into a request, rule and
// response into a report, and the answers of polls into the progress of a
// pipeline.
//
// The strings of a mapping are jq expressions. gojq runs them, with the
// definitions of prelude.jq in front: what jq 1.5 does otherwise, and guards
// against events that are made to hurt. Each evaluation has a deadline, a count
// of steps and a count of the bytes that it makes; regular expressions, sums,
// products, comparisons of each with each, numbers of many digits and indexes
// from an event are bounded before they happen, and evaluations that take much
// run one at a time. The author of a mapping is trusted: nothing bounds what
// only the author can write, such as .b[500000000] = 1 or forty doublings of a
// list.
//
// The package knows neither Kafka nor HTTP nor Port's API. It is imported by
// agent and cmd, and it alone imports gojq.
//
// Values are what decoded JSON is made of: nil, bool, int, float64, *big.Int,
// string, []any and map[string]any; json.Number is accepted as well. Values
// that come out share no list and no object with the values that went in, and
// hold neither NaN nor an infinity nor invalid UTF-8.
package transform
