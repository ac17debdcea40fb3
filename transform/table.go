package transform

import (
	"encoding/json"
	"strings"
	"time"
)

// field is a member of an object of the mapping: how an editor is told of it,
// how it is read, and what is looked at in the expressions that it holds.
type field struct {
	name   string
	schema string // JSON Schema of the value
	about  string
	read   func(*ruleParser, any, place) *template // nil for what holds no expressions
	check  func(*ruleParser, *template)            // may be nil
}

// setting makes the reader of a field that holds no expressions.
func setting(set func(*ruleParser, any, place)) func(*ruleParser, any, place) *template {
	return func(p *ruleParser, v any, at place) *template {
		set(p, v, at)
		return nil
	}
}

const (
	jqSchema       = `{"$ref": "#/$defs/jq"}`
	templateSchema = `{"$ref": "#/$defs/template"}`
	objectSchema   = `{"anyOf": [{"$ref": "#/$defs/jq"}, {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}]}`
	listsSchema    = `{"anyOf": [{"$ref": "#/$defs/jq"}, {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null", "array"]}}]}`
	secondsSchema  = `{"type": "number", "exclusiveMinimum": 0, "maximum": 86400}`
	weekSchema     = `{"type": "number", "exclusiveMinimum": 0, "maximum": 604800}`
)

// ruleFields are the fields of a rule, in the order in which they are read:
// the name first, since findings tell it.
var ruleFields = []field{
	{"name", `{"type": "string"}`, "Label of the rule in logs and metrics.", setting((*ruleParser).name), nil},
	{"enabled", `{"anyOf": [{"type": ["boolean", "string"]}, {"enum": [0, 1]}]}`,
		"Whether the rule matches an event: a boolean, or a jq expression on the event that returns true. The default matches every event.", setting((*ruleParser).enabled), nil},
	{"backend", `{"enum": ["` + strings.Join(append(backends, "AZURE-DEVOPS"), `", "`) + `"]}`,
		"The kind of system that receives the request. The default depends on the action's invocation method and the URL.", setting((*ruleParser).backend), nil},
	{"url", jqSchema, "jq on the event that returns the URL. The default is the backend's own.", (*ruleParser).jq, (*ruleParser).web},
	{"method", jqSchema, "jq on the event that returns GET, POST, PUT, PATCH or DELETE. The default is the action's own, or POST.", (*ruleParser).jq, oneOf("GET", "POST", "PUT", "PATCH", "DELETE")},
	{"headers", objectSchema, "Headers: an object of jq expressions, or one expression that returns an object. A null value is left out.", (*ruleParser).object, (*ruleParser).sendable},
	{"query", listsSchema, "Query of the URL: as headers; a list repeats its key.", (*ruleParser).object, nil},
	{"body", templateSchema, "Body of the request: jq, or JSON whose strings are jq. null sends no body. The default is the backend's own; for a webhook, the event.", (*ruleParser).template, (*ruleParser).ownBody},
	{"report", tableSchema(reportFields), "What is reported to Port. jq on .body (the event), .request and .response.", setting((*ruleParser).report), nil},
	{"fieldsToDecryptPaths", `{"type": "array", "items": {"type": "string", "minLength": 1}}`,
		"Paths of encrypted inputs from the root of the event, such as payload.properties.password; * is every element.", setting((*ruleParser).decryptPaths), nil},
	{"timeout", secondsSchema, "Seconds that one attempt may take. The default is WEBHOOK_INVOKER_TIMEOUT.",
		setting(func(p *ruleParser, v any, at place) { p.rule.Timeout = p.seconds(v, at, 24*time.Hour) }), nil},
	{"orderBy", jqSchema, "jq on the event that returns a key: events with the same key run one after another. null means no order.", (*ruleParser).jq, nil},
	{"onInterrupted", `{"enum": ["fail", "retry"]}`, "What happens to a run whose request was under way when the agent died.", setting((*ruleParser).onInterrupted), nil},
	{"retry", tableSchema(retryFields), "When an attempt is repeated.", setting((*ruleParser).retry), nil},
	{"follow", `{"anyOf": [{"type": "boolean"}, ` + tableSchema(followFields) + `]}`,
		"Whether and how the agent follows the triggered pipeline to its end.", setting((*ruleParser).follow), nil},
}

var reportFields = []field{
	{"status", templateSchema, "SUCCESS, FAILURE or IN_PROGRESS.", (*ruleParser).template, oneOf("SUCCESS", "FAILURE", "IN_PROGRESS")},
	{"link", templateSchema, "One http(s) link or a list of them.", (*ruleParser).template, (*ruleParser).web},
	{"summary", templateSchema, "Text on the run's page.", (*ruleParser).template, nil},
	{"externalRunId", templateSchema, "Id of the run in the backend.", (*ruleParser).template, nil},
	{"statusLabel", templateSchema, "Text beside the status.", (*ruleParser).template, nil},
}

var retryFields = []field{
	{"attempts", `{"type": "integer", "minimum": 1}`, "Maximum of attempts.", setting((*ruleParser).attempts), nil},
	{"statuses", `{"type": "array", "items": {"type": "integer", "minimum": 400, "maximum": 599}}`, "Answers after which the request is sent again.", setting((*ruleParser).statuses), nil},
}

var followFields = []field{
	{"url", jqSchema, "jq on .body, .request and .response, evaluated once after the trigger: the URL to poll. null: the run is not followed. The default is the backend's own follower.", (*ruleParser).jq, (*ruleParser).web},
	{"method", jqSchema, "GET (the default) or POST, of each poll.", (*ruleParser).jq, oneOf("GET", "POST")},
	{"headers", objectSchema, "Headers of each poll.", (*ruleParser).object, func(p *ruleParser, t *template) { p.sendable(t); p.afterRestart(t) }},
	{"body", templateSchema, "Body of each poll.", (*ruleParser).template, (*ruleParser).afterRestart},
	{"done", jqSchema, "jq on .poll (statusCode, headers, text, json), .body, .request and .response: true: the pipeline is over.", (*ruleParser).jq, nil},
	{"status", jqSchema, "SUCCESS (the default) or FAILURE, read when done.", (*ruleParser).jq, oneOf("SUCCESS", "FAILURE")},
	{"statusLabel", jqSchema, "Text beside the status, sent when it changes.", (*ruleParser).jq, nil},
	{"summary", jqSchema, "Text on the run's page, sent when it changes.", (*ruleParser).jq, nil},
	{"link", templateSchema, "One http(s) link or a list of them, sent when it changes.", (*ruleParser).template, (*ruleParser).web},
	{"log", jqSchema, "Text or a list of texts; each line is written once.", (*ruleParser).jq, nil},
	{"interval", secondsSchema, "Seconds between two polls.",
		setting(func(p *ruleParser, v any, at place) { p.rule.follow.Interval = p.seconds(v, at, 24*time.Hour) }), nil},
	{"timeout", weekSchema, "Seconds after which the run fails as still running. The default is FOLLOW_TIMEOUT_SECONDS.",
		setting(func(p *ruleParser, v any, at place) { p.rule.follow.Timeout = p.seconds(v, at, 7*24*time.Hour) }), nil},
	{"success", `{"type": "array", "minItems": 1, "items": {"type": "string"}}`, `End states that count as success for the backend's own follower, such as ["SUCCESS", "UNSTABLE"].`, setting((*ruleParser).success), nil},
	{"project", jqSchema, "Azure incoming webhook: the project that contains the build.", (*ruleParser).jq, nil},
}

func names(table []field) []string {
	out := make([]string, len(table))
	for i, f := range table {
		out[i] = f.name
	}
	return out
}

// tableSchema makes the JSON Schema of an object of a table's fields.
func tableSchema(table []field) string {
	var b strings.Builder
	b.WriteString(`{"type": "object", "additionalProperties": false, "properties": {`)
	for i, f := range table {
		if i > 0 {
			b.WriteString(",")
		}
		about, _ := json.Marshal(f.about)
		b.WriteString(`"` + f.name + `": {"description": ` + string(about) + `,` + f.schema[1:])
	}
	b.WriteString("}}")
	return b.String()
}

// Schema gives the JSON Schema (2020-12) of a mapping file, made of the tables
// that the parser uses.
func Schema() []byte {
	list := `{"type": "array", "items": ` + tableSchema(ruleFields) + `}`
	text := `{
"$schema": "https://json-schema.org/draft/2020-12/schema",
"title": "Mapping of the Port agent",
"description": "A list of rules, or an object that holds it. The first rule that is enabled for an event decides what is sent.",
"anyOf": [{"$ref": "#/$defs/rules"}, {"type": "object", "required": ["rules"], "additionalProperties": false,
"properties": {"$schema": {"description": "Where editors find this schema.", "type": "string"}, "rules": {"$ref": "#/$defs/rules"}}}],
"$defs": {
"jq": {"type": "string", "description": "A jq expression. Text is quoted twice: \"\\\"text\\\"\"."},
"template": {"description": "JSON whose strings are jq expressions."},
"rules": ` + list + `}}`
	var v json.RawMessage = []byte(text)
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("transform: schema: " + err.Error()) // it is part of the program
	}
	return append(out, '\n')
}
