package transform

import (
	"cmp"
	"encoding/base32"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/itchyny/gojq"
)

// numeric is a number as jq takes it: with a plus sign, zeros in front, or
// without a digit on one side of the point, which JSON does not allow.
var numeric = regexp.MustCompile(`^\s*([+-]?)0*(\d*)(\.\d*)?([eE][+-]?\d+)?\s*$`)

func toNumber(_ *run, in any, _ []any) any {
	s, ok := in.(string)
	if !ok {
		if gojq.TypeOf(in) != "number" {
			return cannot("tonumber", in)
		}
		return in
	}
	bad := errors.New("tonumber cannot be applied to: this text is no number")
	if len(s) > maxDigits || !strings.ContainsAny(s, "0123456789") {
		return bad
	}
	m := numeric.FindStringSubmatch(s)
	if m == nil || m[2] == "" && m[3] == "." {
		return bad
	}
	sign, whole, fraction, exponent := strings.TrimPrefix(m[1], "+"), cmp.Or(m[2], "0"), m[3], m[4]
	if fraction == "." {
		fraction = ""
	}
	return number(json.Number(sign + whole + fraction + exponent))
}

func fromJSON(r *run, in any, _ []any) any {
	s, ok := in.(string)
	if !ok {
		return cannot("fromjson", in)
	}
	// A list of one-digit numbers is the worst: sixteen bytes for two.
	if err := r.make(8 * len(s)); err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return errors.New("fromjson cannot be applied to: this text is not JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("fromjson cannot be applied to: text follows the JSON")
	}
	if _, err := r.measure(v); err != nil {
		return err
	}
	return plain(v)
}

func toText(r *run, in any, _ []any) any {
	s, err := textOf(r, in)
	if err != nil {
		return err
	}
	return s
}

func toJSON(r *run, in any, _ []any) any {
	if err := preText(r, in); err != nil {
		return err
	}
	b, err := gojq.Marshal(in)
	if err != nil {
		return err
	}
	return string(b)
}

// textOf is tostring, counted.
func textOf(r *run, v any) (string, error) {
	if err := preText(r, v); err != nil {
		return "", err
	}
	return Text(v), nil
}

// formatURI is @uri. Beside what RFC 3986 leaves unreserved it leaves !*'() as
// they are, as jq 1.5 did.
func formatURI(r *run, in any, _ []any) any {
	s, err := textOf(r, in)
	if err != nil {
		return err
	}
	if err := r.make(3 * len(s)); err != nil {
		return err
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~!*'()", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

func formatBase32(r *run, in any, _ []any) any {
	s, err := textOf(r, in)
	if err != nil {
		return err
	}
	if err := r.make(2 * len(s)); err != nil {
		return err
	}
	return base32.StdEncoding.EncodeToString([]byte(s))
}

func formatBase32Decode(r *run, in any, _ []any) any {
	s, err := textOf(r, in)
	if err != nil {
		return err
	}
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return errors.New("@base32d cannot be applied to: this text is not base32")
	}
	return string(b)
}
