package transform

import (
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// settle makes sure that v can be sent: it bounds its size and depth and
// brings what JSON cannot hold to what jq prints for it. v itself is not
// changed, and what needs no change is shared.
func settle(v any) (any, error) {
	s := settler{}
	v, _ = s.value(v, 0)
	return v, s.err
}

type settler struct {
	bytes int
	err   error
}

func (s *settler) value(in any, depth int) (out any, changed bool) {
	if s.bytes += shallow(in); s.bytes > maxBytes {
		s.err = errBytes
	}
	if depth > maxDepth {
		s.err = errDepth
	}
	if s.err != nil {
		return nil, true
	}
	out = in
	switch v := in.(type) {
	case nil, bool, int:
		return in, false
	case string:
		if utf8.ValidString(v) {
			return in, false
		}
		return strings.ToValidUTF8(v, "\ufffd"), true
	case float64:
		if math.IsNaN(v) {
			return nil, true
		}
		return finite(v), math.IsInf(v, 0)
	case *big.Int:
		if v.BitLen() > 4*maxBigDigits {
			s.err = errDigits
		}
		return in, false
	case json.Number:
		return number(v), true
	case []any:
		copied := v
		for i, w := range v {
			if w, ok := s.value(w, depth+1); ok {
				if !changed {
					copied, changed = slices.Clone(v), true
				}
				copied[i], out = w, copied
			}
		}
		return out, changed
	case map[string]any:
		copied := v
		for k, w := range v {
			s.bytes += len(k)
			w, ok := s.value(w, depth+1)
			if name := strings.ToValidUTF8(k, "\ufffd"); ok || name != k {
				if !changed {
					copied, changed = maps.Clone(v), true
				}
				delete(copied, k)
				copied[name], out = w, copied
			}
		}
		return out, changed
	}
	return nil, true // a value of the package's own that got out
}
