package transform

import (
	"math"
	"strings"

	"github.com/itchyny/gojq"
)

// ownFunc is a function of the package's own. It gives a value or an error,
// as gojq wants it.
type ownFunc func(r *run, in any, args []any) any

// preFunc looks at the input of one of gojq's functions, or at one of its
// arguments, before that runs.
type preFunc func(r *run, v any) error

// builtin says how calls of a function are compiled.
type builtin struct {
	own  ownFunc // called instead of gojq's
	pre  preFunc // called before gojq's, with the input
	arg  preFunc // called before gojq's, with each argument
	post preFunc // called after gojq's, with the result
	as   string  // another function to call instead
}

// builtins are the functions an expression may call beside those of the
// prelude, by name and number of arguments. What is not here does not exist:
// gojq's other functions have no bounds, or reach out of the evaluation.
var builtins = func() map[string]builtin {
	b := map[string]builtin{
		"+/2":  {own: opAdd},
		"-/2":  {own: opSubtract},
		"*/2":  {own: opMultiply},
		"//2":  {own: opDivide},
		"%/2":  {own: opModulo},
		"==/2": {own: comparison(func(c int) bool { return c == 0 })},
		"!=/2": {own: comparison(func(c int) bool { return c != 0 })},
		"</2":  {own: comparison(func(c int) bool { return c < 0 })},
		"<=/2": {own: comparison(func(c int) bool { return c <= 0 })},
		">/2":  {own: comparison(func(c int) bool { return c > 0 })},
		">=/2": {own: comparison(func(c int) bool { return c >= 0 })},

		"env/0":  {own: func(r *run, _ any, _ []any) any { return r.env.values }},
		"path/1": {post: preEntries},
		"_tree/0": {own: func(r *run, in any, _ []any) any {
			if err := preTree(r, in); err != nil {
				return err
			}
			return in
		}},

		"_update/0":   {own: newUpdate},
		"_root/1":     {own: updateRoot},
		"_lend/2":     {own: updateLend},
		"_put/2":      {own: updatePut},
		"_drop/2":     {own: updateDrop},
		"_done/1":     {own: updateDone},
		"_setall/2":   {own: setAll},
		"setpath/2":   {own: setPath},
		"delpaths/1":  {own: deletePaths},
		"_match/2":    {own: regexMatch},
		"_captures/2": {own: regexCaptures},
		"_scan/2":     {own: regexScan},
		"_splits/2":   {own: regexSplit},
		"_found/2":    {own: regexFound},
		"_captured/1": {own: regexCaptured},
		"_replaced/2": {own: regexReplaced},
		"_replace/4":  {own: regexReplace},

		"add/0":        {own: addAll},
		"join/1":       {own: join},
		"split/1":      {own: splitText},
		"reverse/0":    {own: reverse},
		"contains/1":   {own: contains},
		"inside/1":     {own: func(r *run, in any, args []any) any { return contains(r, args[0], []any{in}) }},
		"indices/1":    {own: indices},
		"index/1":      {own: func(r *run, in any, args []any) any { return atEnd(indices(r, in, args), false) }},
		"rindex/1":     {own: func(r *run, in any, args []any) any { return atEnd(indices(r, in, args), true) }},
		"not/0":        {own: func(_ *run, in any, _ []any) any { return !truth(in) }},
		"type/0":       {own: func(_ *run, in any, _ []any) any { return gojq.TypeOf(in) }},
		"startswith/1": {own: textTest("startswith", strings.HasPrefix)},
		"endswith/1":   {own: textTest("endswith", strings.HasSuffix)},
		"test/1":       {own: regexTest},
		"test/2":       {own: regexTest},
		"ltrimstr/1":   {own: trimPrefix},
		"rtrimstr/1":   {own: trimSuffix},
		"tonumber/0":   {own: toNumber},
		"fromjson/0":   {own: fromJSON},
		"@uri/0":       {own: formatURI},
		"@base32/0":    {own: formatBase32},
		"@base32d/0":   {own: formatBase32Decode},
		"@text/0":      {own: toText},
		"@json/0":      {own: toJSON},
		"@html/0":      {pre: preFormat, as: "_tohtml"},
		"@urid/0":      {pre: preFormat, as: "_tourid"},
		"@csv/0":       {pre: preFormat, as: "_tocsv"},
		"@tsv/0":       {pre: preFormat, as: "_totsv"},
		"@sh/0":        {pre: preFormat, as: "_tosh"},
		"@base64/0":    {pre: preFormat, as: "_tobase64"},
		"@base64d/0":   {pre: preFormat, as: "_tobase64d"},
		"tostring/0":   {own: toText},
		"tojson/0":     {own: toJSON},
		"explode/0":    {pre: preLetters},
		"implode/0":    {pre: preEntries},
		"length/0":     {pre: preScan},
		"keys/0":       {pre: preEntries},
		"flatten/0":    {pre: preTree},
		"flatten/1":    {pre: preTree},
		"transpose/0":  {pre: preTable},
		"min/0":        {pre: preTree},
		"max/0":        {pre: preTree},
		"sort/0":       {pre: preSort},
		"unique/0":     {pre: preSort},
		"_min_by/1":    {},
		"_max_by/1":    {},
		"_sort_by/1":   {pre: preEntries},
		"_group_by/1":  {pre: preEntries},
		"_unique_by/1": {pre: preEntries},
		"bsearch/1":    {pre: preTree, arg: preTree},

		"ascii_downcase/0": {pre: preText},
		"ascii_upcase/0":   {pre: preText},
		"strftime/1":       {arg: preShort},
		"strflocaltime/1":  {arg: preShort},
		"strptime/1":       {pre: preShort, arg: preShort},
		"jn/2":             {own: bessel(math.Jn)},
		"yn/2":             {own: bessel(math.Yn)},
		"halt_error/1":     {},
		"error/1":          {},
		"getpath/1":        {arg: prePath},
		"has/1":            {},
		"trimstr/1":        {},
		"_range/3":         {},
	}
	for _, name := range []string{
		"empty", "error", "halt", "halt_error", "utf8bytelength", "toboolean", "ltrim", "rtrim", "trim",
		"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
		"floor", "round", "nearbyint", "rint", "ceil", "trunc", "significand", "fabs", "sqrt", "cbrt",
		"exp", "exp10", "exp2", "expm1", "frexp", "modf", "log", "log10", "log1p", "log2", "logb",
		"gamma", "tgamma", "lgamma", "erf", "erfc", "j0", "j1", "y0", "y1",
		"infinite", "isfinite", "isinfinite", "nan", "isnan", "isnormal",
		"gmtime", "localtime", "mktime", "now",
	} {
		b[name+"/0"] = builtin{}
	}
	for _, name := range []string{
		"atan2", "copysign", "drem", "fdim", "fmax", "fmin", "fmod", "hypot", "nextafter", "nexttoward",
		"remainder", "ldexp", "scalb", "scalbln", "pow",
	} {
		b[name+"/2"] = builtin{}
	}
	b["fma/3"] = builtin{}
	return b
}()

// bessel bounds the order of a function that takes a step for each.
func bessel(f func(int, float64) float64) ownFunc {
	return func(_ *run, _ any, args []any) any {
		n, nok := gojq.ToInt(args[0])
		x, xok := gojq.ToFloat64(args[1])
		if !nok || !xok || n < -1000 || n > 1000 {
			return errOrder
		}
		return f(n, x)
	}
}
