package transform

import "port-agent/transform/jq"

// Text returns v as text, the way it is put into a header or a query: a string
// as it is, everything else as JSON.
func Text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return jq.JSON(v)
}

// kind names the type of v in an error, which must not show its value.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "text"
	case []any, list:
		return "a list"
	case map[string]any, object:
		return "an object"
	}
	return "a number"
}
