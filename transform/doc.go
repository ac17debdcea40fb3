// Package transform is the mapping language: it reads the mapping file, finds
// the rule an event is for, and turns rule and event into a request, and rule
// and response into a report.
//
// A mapping is a JSON array of rules. Its strings are jq expressions, run by
// gojq with the environment of the agent, and with bounds of their own: no
// expression and no event can take more than a fixed amount of work and memory,
// whatever either of them holds.
//
// The package knows neither Kafka nor HTTP nor Port's API. It is imported by
// agent and cmd, and it alone imports gojq.
//
// Values are what decoded JSON is made of: nil, bool, int, float64, *big.Int,
// string, []any and map[string]any; json.Number is accepted as well. Values
// that come out share their parts with the values that went in: neither may
// be changed while the other is in use. No value that comes out holds NaN, an
// infinity or invalid UTF-8.
package transform
