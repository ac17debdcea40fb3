package transform

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// settle makes sure that v can be sent: it bounds its size and depth and
// brings what JSON cannot hold to what jq prints for it. v itself is not
// changed.
func (r *run) settle(v any) (any, error) {
	s := size{}
	clean, ok := s.inspect(v, 0)
	if !ok {
		return nil, errDepth
	}
	if s.beyond() {
		return nil, errBytes
	}
	if clean {
		return v, nil
	}
	return scrub(v), nil
}

// inspect is count, and also reports whether JSON can hold v as it is.
func (s *size) inspect(v any, depth int) (clean, ok bool) {
	if depth > maxDepth {
		return false, false
	}
	s.nodes++
	if s.beyond() {
		return true, true
	}
	switch v := v.(type) {
	case nil, bool, int:
		return true, true
	case string:
		s.bytes += len(v)
		return utf8.ValidString(v), true
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0), true
	case *big.Int:
		s.bytes += v.BitLen() / 3
		return true, true
	case []any:
		clean, ok = true, true
		for _, w := range v {
			c, o := s.inspect(w, depth+1)
			clean, ok = clean && c, ok && o
			if !ok {
				return false, false
			}
		}
		return clean, ok
	case map[string]any:
		clean, ok = true, true
		for k, w := range v {
			s.bytes += len(k)
			c, o := s.inspect(w, depth+1)
			clean, ok = clean && c && utf8.ValidString(k), ok && o
			if !ok {
				return false, false
			}
		}
		return clean, ok
	}
	return false, true
}

// scrub gives a copy of v that JSON can hold.
func scrub(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ToValidUTF8(v, "\ufffd")
	case float64:
		if math.IsNaN(v) {
			return nil
		}
		return finite(v)
	case json.Number:
		return number(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = scrub(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, w := range v {
			out[strings.ToValidUTF8(k, "\ufffd")] = scrub(w)
		}
		return out
	case nil, bool, int, *big.Int:
		return v
	}
	return nil // a value of the package's own that got out
}
