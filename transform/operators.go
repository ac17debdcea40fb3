package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"strings"

	"github.com/itchyny/gojq"
)

// The operators of jq, with an account of what they make. gojq's own cannot
// be called from outside, and know no bounds: forty doublings of a text are a
// terabyte.

// maxBits bounds the integers that are calculated with.
const maxBits = 1 << 14

var errBits = errors.New("a number has too many digits")

// calculate applies the function for the narrowest type that holds both
// numbers. ok is false where one of the operands is no number.
func calculate(l, r any, ints func(l, r int) any, bigs func(l, r *big.Int) any, floats func(l, r float64) any) (v any, ok bool) {
	l, r = plainNumber(l), plainNumber(r)
	switch x := l.(type) {
	case int:
		switch y := r.(type) {
		case int:
			return ints(x, y), true
		case float64:
			return floats(float64(x), y), true
		case *big.Int:
			return bounded(big.NewInt(int64(x)), y, bigs), true
		}
	case float64:
		if y, ok := gojq.ToFloat64(r); ok {
			return floats(x, y), true
		}
	case *big.Int:
		switch y := r.(type) {
		case int:
			return bounded(x, big.NewInt(int64(y)), bigs), true
		case float64:
			f, _ := gojq.ToFloat64(x)
			return floats(f, y), true
		case *big.Int:
			return bounded(x, y, bigs), true
		}
	}
	return nil, false
}

func bounded(l, r *big.Int, f func(l, r *big.Int) any) any {
	if l.BitLen()+r.BitLen() > maxBits {
		return errBits
	}
	return f(l, r)
}

func plainNumber(v any) any {
	if n, ok := v.(json.Number); ok {
		return number(n)
	}
	return v
}

func operandError(verb string, l, r any) error {
	return fmt.Errorf("cannot %s: %s and %s", verb, gojq.TypeOf(l), gojq.TypeOf(r))
}

func opAdd(run *run, _ any, args []any) any {
	l, r := args[0], args[1]
	switch x := l.(type) {
	case nil:
		return r
	case string:
		if y, ok := r.(string); ok {
			if err := run.make(len(x) + len(y)); err != nil {
				return err
			}
			return x + y
		}
	case []any:
		if y, ok := r.([]any); ok {
			return appendLists(run, x, y)
		}
	case map[string]any:
		if y, ok := r.(map[string]any); ok {
			return mergeObjects(run, x, y)
		}
	}
	if r == nil {
		return l
	}
	v, ok := calculate(l, r,
		func(l, r int) any {
			if v := l + r; (v >= l) == (r >= 0) {
				return v
			}
			return new(big.Int).Add(big.NewInt(int64(l)), big.NewInt(int64(r)))
		},
		func(l, r *big.Int) any { return new(big.Int).Add(l, r) },
		func(l, r float64) any { return l + r })
	if !ok {
		return operandError("add", l, r)
	}
	return v
}

func appendLists(run *run, l, r []any) any {
	if len(l) == 0 {
		return r
	}
	if len(r) == 0 {
		return l
	}
	if err := run.make(listBytes * (len(l) + len(r))); err != nil {
		return err
	}
	return append(append(make([]any, 0, len(l)+len(r)), l...), r...)
}

func mergeObjects(run *run, l, r map[string]any) any {
	if len(l) == 0 {
		return r
	}
	if len(r) == 0 {
		return l
	}
	if err := run.make(objectBytes * (len(l) + len(r))); err != nil {
		return err
	}
	m := make(map[string]any, len(l)+len(r))
	maps.Copy(m, l)
	maps.Copy(m, r)
	return m
}

// What one entry of a list and of an object takes in memory, about.
const (
	listBytes   = 16
	objectBytes = 56
)

func opSubtract(run *run, _ any, args []any) any {
	l, r := args[0], args[1]
	if x, ok := l.([]any); ok {
		if y, ok := r.([]any); ok {
			return without(run, x, y)
		}
	}
	v, ok := calculate(l, r,
		func(l, r int) any {
			if v := l - r; (v <= l) == (r >= 0) {
				return v
			}
			return new(big.Int).Sub(big.NewInt(int64(l)), big.NewInt(int64(r)))
		},
		func(l, r *big.Int) any { return new(big.Int).Sub(l, r) },
		func(l, r float64) any { return l - r })
	if !ok {
		return operandError("subtract", l, r)
	}
	return v
}

// without gives the elements of l that are not in r.
func without(run *run, l, r []any) any {
	sl, err := run.measure(l)
	if err != nil {
		return err
	}
	sr, err := run.measure(r)
	if err != nil {
		return err
	}
	if err := run.work(sl.nodes * len(r) / 8); err != nil {
		return err
	}
	if err := run.work(sr.nodes * len(l) / 8); err != nil {
		return err
	}
	out := []any{}
next:
	for _, x := range l {
		for _, y := range r {
			if gojq.Compare(x, y) == 0 {
				continue next
			}
		}
		out = append(out, x)
	}
	return out
}

func opMultiply(run *run, _ any, args []any) any {
	l, r := args[0], args[1]
	if x, ok := l.(map[string]any); ok {
		if y, ok := r.(map[string]any); ok {
			if _, err := run.measure(y); err != nil {
				return err
			}
			return mergeDeep(run, x, y)
		}
	}
	if s, ok := l.(string); ok {
		if n, ok := gojq.ToFloat64(r); ok {
			return repeat(run, s, n)
		}
	}
	if s, ok := r.(string); ok {
		if n, ok := gojq.ToFloat64(l); ok {
			return repeat(run, s, n)
		}
	}
	v, ok := calculate(l, r,
		func(l, r int) any {
			if v := l * r; l == 0 || v/l == r && !(l == -1 && r == math.MinInt) {
				return v
			}
			return new(big.Int).Mul(big.NewInt(int64(l)), big.NewInt(int64(r)))
		},
		func(l, r *big.Int) any { return new(big.Int).Mul(l, r) },
		func(l, r float64) any { return l * r })
	if !ok {
		return operandError("multiply", l, r)
	}
	return v
}

// mergeDeep merges r into l, and objects of the same name into each other.
func mergeDeep(run *run, l, r map[string]any) any {
	if err := run.make(objectBytes * (len(l) + len(r))); err != nil {
		return err
	}
	m := make(map[string]any, len(l)+len(r))
	maps.Copy(m, l)
	for k, v := range r {
		x, xok := m[k].(map[string]any)
		y, yok := v.(map[string]any)
		if xok && yok {
			if v = mergeDeep(run, x, y); run.err != nil {
				return run.err
			}
		}
		m[k] = v
	}
	return m
}

// repeat gives n copies of s, and null where that is none, as jq 1.5 did.
func repeat(run *run, s string, n float64) any {
	if !(n >= 1) {
		return nil
	}
	n = math.Floor(n)
	if n*float64(len(s)) > maxBytes {
		return run.fail(errBytes)
	}
	if len(s) == 0 {
		return ""
	}
	if err := run.make(len(s) * int(n)); err != nil {
		return err
	}
	return strings.Repeat(s, int(n))
}

func opDivide(run *run, _ any, args []any) any {
	l, r := args[0], args[1]
	if x, ok := l.(string); ok {
		if y, ok := r.(string); ok {
			return split(run, x, y)
		}
	}
	zero := errors.New("cannot divide by zero")
	v, ok := calculate(l, r,
		func(l, r int) any {
			switch {
			case r == 0:
				return zero
			case r == -1 && l == math.MinInt:
				return new(big.Int).Neg(big.NewInt(int64(l)))
			case l%r == 0:
				return l / r
			}
			return float64(l) / float64(r)
		},
		func(l, r *big.Int) any {
			if r.Sign() == 0 {
				return zero
			}
			if q, m := new(big.Int).DivMod(l, r, new(big.Int)); m.Sign() == 0 {
				return q
			}
			x, _ := gojq.ToFloat64(l)
			y, _ := gojq.ToFloat64(r)
			return x / y
		},
		func(l, r float64) any {
			if r == 0 {
				return zero
			}
			return l / r
		})
	if !ok {
		return operandError("divide", l, r)
	}
	return v
}

func opModulo(_ *run, _ any, args []any) any {
	l, r := args[0], args[1]
	zero := errors.New("cannot divide by zero")
	ints := func(l, r int) any {
		switch r {
		case 0:
			return zero
		case -1:
			return 0
		}
		return l % r
	}
	v, ok := calculate(l, r, ints,
		func(l, r *big.Int) any {
			if r.Sign() == 0 {
				return zero
			}
			return new(big.Int).Rem(l, r)
		},
		func(l, r float64) any {
			if math.IsNaN(l) || math.IsNaN(r) {
				return math.NaN()
			}
			x, _ := gojq.ToInt(l)
			y, _ := gojq.ToInt(r)
			return ints(x, y)
		})
	if !ok {
		return operandError("modulo", l, r)
	}
	return v
}

// comparison makes an operator of a test of how two values compare.
func comparison(holds func(order int) bool) ownFunc {
	return func(run *run, _ any, args []any) any {
		l, r := args[0], args[1]
		if !scalar(l) && !scalar(r) {
			if _, err := run.measure(l); err != nil {
				return err
			}
			if _, err := run.measure(r); err != nil {
				return err
			}
		}
		return holds(gojq.Compare(l, r))
	}
}
