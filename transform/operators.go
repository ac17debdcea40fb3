package transform

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/itchyny/gojq"
)

// The operators of jq, with an account of what they make. gojq's own cannot
// be called from outside, and know no bounds: forty doublings of a text are a
// terabyte.

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
