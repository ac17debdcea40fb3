package transform

import (
	"encoding/json"
	"strings"
)

// field is a member of an object of the mapping: how it is read, and how an
// editor is told of it.
type field struct {
	name   string
	schema string // JSON Schema of the value
	about  string
	parse  func(*ruleParser, any, place)
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
	{"name", `{"type": "string"}`, "Label of the rule in logs and metrics.", (*ruleParser).name},
	{"enabled", `{"anyOf": [{"type": ["boolean", "string"]}, {"enum": [0, 1]}]}`,
		"Whether the rule takes an event: a boolean, or a jq expression on the event that gives true. Without it the rule takes every event.", (*ruleParser).enabled},
	{"backend", `{"enum": ["` + strings.Join(append(backends, "AZURE-DEVOPS"), `", "`) + `"]}`,
		"The kind of system the request is for. Without it the action's invocation method and the URL decide.", (*ruleParser).backend},
	{"url", jqSchema, "jq on the event that gives the URL. Without it the backend's own.", (*ruleParser).url},
	{"method", jqSchema, "jq on the event that gives GET, POST, PUT, PATCH or DELETE. Without it the action's own, or POST.", (*ruleParser).method},
	{"headers", objectSchema, "Headers: an object of jq expressions, or one expression that gives an object. A null value is left out.", (*ruleParser).headers},
	{"query", listsSchema, "Query of the URL: as headers; a list repeats its key.", (*ruleParser).query},
	{"body", templateSchema, "Body of the request: jq, or JSON whose strings are jq. null sends none. Without it the backend's own; for a webhook the event.", (*ruleParser).body},
	{"report", tableSchema(reportFields), "What Port is told of the answer. jq on .body (the event), .request and .response.", (*ruleParser).report},
	{"fieldsToDecryptPaths", `{"type": "array", "items": {"type": "string", "minLength": 1}}`,
		"Paths of encrypted inputs from the root of the event, such as payload.properties.password; * is every element.", (*ruleParser).decryptPaths},
	{"timeout", secondsSchema, "Seconds that one attempt may take. Without it WEBHOOK_INVOKER_TIMEOUT.", (*ruleParser).timeout},
	{"orderBy", jqSchema, "jq on the event that gives a key: events of one key are worked on one after another. null is no order.", (*ruleParser).orderBy},
	{"onInterrupted", `{"enum": ["fail", "retry"]}`, "What happens to a run whose request was under way when the agent died.", (*ruleParser).onInterrupted},
	{"retry", tableSchema(retryFields), "When an attempt is repeated.", (*ruleParser).retry},
	{"follow", `{"anyOf": [{"type": "boolean"}, ` + tableSchema(followFields) + `]}`,
		"Whether and how the agent watches the triggered pipeline to its end.", (*ruleParser).follow},
}

var reportFields = []field{
	{"status", templateSchema, "SUCCESS, FAILURE or IN_PROGRESS.", reported},
	{"link", templateSchema, "One http(s) link or a list of them.", reported},
	{"summary", templateSchema, "Text on the run's page.", reported},
	{"externalRunId", templateSchema, "Id of the run in the backend.", reported},
	{"statusLabel", templateSchema, "Text beside the status.", reported},
}

var retryFields = []field{
	{"attempts", `{"type": "integer", "minimum": 1}`, "Attempts in all.", (*ruleParser).attempts},
	{"statuses", `{"type": "array", "items": {"type": "integer", "minimum": 400, "maximum": 599}}`, "Answers after which the request is sent again.", (*ruleParser).statuses},
}

func names(table []field) string {
	out := make([]string, len(table))
	for i, f := range table {
		out[i] = f.name
	}
	return strings.Join(out, ", ")
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
