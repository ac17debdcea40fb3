package transform

import (
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
)

// settle makes sure that v can be sent: it bounds its size and depth and
// brings what JSON cannot hold to what jq prints for it. v itself is not
// changed, and what needs no change is shared.
func settle(v any) (any, error) {
	s := settler{}
	v, _ = s.value(v, 0)
	return v, s.err
}

// own is settle, but gives a copy that shares no list and no object with v.
func (r *run) own(v any) (any, error) {
	if err := r.make(weigh(v, maxBytes)); err != nil {
		return nil, err
	}
	s := settler{copies: true}
	v, _ = s.value(v, 0)
	return v, s.err
}

type settler struct {
	copies bool // nothing is shared
	bytes  int
	err    error
}

// value gives what in becomes, and whether that is another value.
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
	switch v := in.(type) {
	case nil, bool, int:
		return in, false
	case string:
		valid := strings.ToValidUTF8(v, "\ufffd")
		return valid, valid != v
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
		return s.list(v, depth)
	case map[string]any:
		return s.object(v, depth)
	}
	return nil, true // a value of the package's own that got out
}

func (s *settler) list(v []any, depth int) (out []any, changed bool) {
	if out = v; s.copies {
		out, changed = slices.Clone(v), true
	}
	for i, w := range v {
		if w, ok := s.value(w, depth+1); ok {
			if !changed {
				out, changed = slices.Clone(v), true
			}
			out[i] = w
		}
	}
	return out, changed
}

func (s *settler) object(v map[string]any, depth int) (out map[string]any, changed bool) {
	if out = v; s.copies {
		out, changed = maps.Clone(v), true
	}
	for k, w := range v {
		s.bytes += len(k)
		w, ok := s.value(w, depth+1)
		if name := strings.ToValidUTF8(k, "\ufffd"); ok || name != k {
			if !changed {
				out, changed = maps.Clone(v), true
			}
			delete(out, k)
			out[name] = w
		}
	}
	return out, changed
}
