// Package transform is the mapping language: it reads the mapping file, finds
// the rule for an event, and turns rule and event into a request, rule and
// response into a report, and the answers of polls into the progress of a
// pipeline.
//
// The strings of a mapping are jq expressions, which package jq runs. What goes
// in and comes out are that package's values.
//
// The package knows neither Kafka nor HTTP nor Port's API. It is imported by
// agent, invoker/follow and cmd.
package transform
