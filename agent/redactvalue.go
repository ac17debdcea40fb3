package agent

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
)

// Value returns a JSON value without secrets, as Bytes does for its text. It
// knows the types of Message.Root, json.Number and []string, and leaves v as it
// is.
func (r *Redactor) Value(v any) any {
	switch v := v.(type) {
	case string:
		return r.String(v)
	case int, float64, *big.Int, json.Number:
		text := fmt.Sprint(v)
		if f, ok := v.(float64); ok {
			text = strconv.FormatFloat(f, 'f', -1, 64)
		}
		if clean := r.String(text); len(text) >= minSecret && clean != text {
			return clean
		}
	case []string:
		out := slices.Clone(v)
		for i := range v {
			out[i] = r.String(v[i])
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i := range v {
			out[i] = r.Value(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[r.String(name)] = r.Value(member)
		}
		return out
	}
	return v
}
