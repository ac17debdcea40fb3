package event

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"port-agent/invoker"
)

// signedCases are records signed by another implementation: testdata/signed.js.
func signedCases(t testing.TB) (secret invoker.Secret, cases []signedCase) {
	t.Helper()
	data, err := os.ReadFile("testdata/signed.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Secret invoker.Secret
		Cases  []signedCase
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Secret, file.Cases
}

type signedCase struct{ Name, Record, Body, Timestamp, Signature string }

func TestVerifySignedElsewhere(t *testing.T) {
	t.Parallel()
	secret, cases := signedCases(t)
	if len(cases) < 20 {
		t.Fatalf("got %d cases, want at least 20", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			m, err := Decode([]byte(c.Record))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := string(m.Body), c.Body; got != want {
				t.Errorf("body:\n got %s\nwant %s", got, want)
			}
			if got, want := m.Timestamp, c.Timestamp; got != want {
				t.Errorf("timestamp: got %q, want %q", got, want)
			}
			if got, want := m.Signature, c.Signature; got != want {
				t.Errorf("signature: got %q, want %q", got, want)
			}
			if err := Verify(invoker.NewSigner(secret), m); err != nil {
				t.Error(err)
			}
			if err := Verify(invoker.NewSigner(secret+"x"), m); !errors.Is(err, ErrSignature) {
				t.Errorf("with another secret: got %v, want ErrSignature", err)
			}
		})
	}
}

// TestVerifyVectors judges the records of the file that SIGNATURE_VECTORS
// names: {secret, incoming: [{name, record, valid, why}]}.
func TestVerifyVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		Secret   invoker.Secret
		Incoming []struct {
			Name, Record, Why string
			Valid             bool
		}
	}
	readVectors(t, &file)
	if len(file.Incoming) == 0 {
		t.Fatal("no incoming vectors")
	}
	for _, c := range file.Incoming {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			m, err := Decode([]byte(c.Record))
			if err == nil {
				err = Verify(invoker.NewSigner(file.Secret), m)
			}
			if got := err == nil; got != c.Valid {
				t.Errorf("valid: got %t (%v), want %t %s", got, err, c.Valid, c.Why)
			}
		})
	}
}

func readVectors(t testing.TB, into any) {
	t.Helper()
	path := os.Getenv("SIGNATURE_VECTORS")
	if path == "" {
		t.Skip("SIGNATURE_VECTORS is not set")
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "vectors.json")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	sign := func(secret invoker.Secret, m *Message) {
		m.Signature = invoker.NewSigner(secret).V1(m.Timestamp, m.Body)
	}
	good := Message{Body: []byte(`{"a":1,"headers":{}}`), Timestamp: "1767612505", HeadersOK: true}
	sign(secret, &good)
	tests := []struct {
		name   string
		secret invoker.Secret
		edit   func(m *Message)
		want   string
	}{
		{"no secret", "", func(m *Message) { sign("", m) }, "no secret"},
		{"no headers", secret, func(m *Message) { m.HeadersOK = false }, "no headers"},
		{"no signature", secret, func(m *Message) { m.Signature = "" }, "no X-Port-Signature"},
		{"no timestamp", secret, func(m *Message) { m.Timestamp = ""; sign(secret, m) }, "no X-Port-Timestamp"},
		{"body altered", secret, func(m *Message) { m.Body = []byte(`{"a":2,"headers":{}}`) }, "does not match"},
		{"timestamp altered", secret, func(m *Message) { m.Timestamp = "1767612506" }, "does not match"},
		{"signature cut", secret, func(m *Message) { m.Signature = m.Signature[:len(m.Signature)-1] }, "does not match"},
		{"signature with a tail", secret, func(m *Message) { m.Signature += "," }, "does not match"},
		{"no version", secret, func(m *Message) { m.Signature = strings.TrimPrefix(m.Signature, "v1,") }, "does not match"},
		{"other version", secret, func(m *Message) { m.Signature = "v2" + m.Signature[2:] }, "does not match"},
	}
	if err := Verify(invoker.NewSigner(secret), &good); err != nil {
		t.Fatalf("unaltered: %v", err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := good
			tt.edit(&m)
			err := Verify(invoker.NewSigner(tt.secret), &m)
			if !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrSignature that says %q", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), good.Signature) || strings.Contains(err.Error(), secret)) {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

// FuzzVerify takes signed records and alters them: what still verifies has the
// body that was signed.
func FuzzVerify(f *testing.F) {
	secret, cases := signedCases(f)
	for i, c := range cases {
		f.Add(i, 0, byte(0), "")
		f.Add(i, len(c.Record)/2, byte(1), "")
		f.Add(i, 1, byte(0), `"headers":{},`)
	}
	signer := invoker.NewSigner(secret)
	f.Fuzz(func(t *testing.T, i, at int, flip byte, insert string) {
		if i < 0 || i >= len(cases) {
			return
		}
		c := cases[i]
		if at < 0 || at >= len(c.Record) {
			return
		}
		record := []byte(c.Record[:at] + insert + c.Record[at:])
		record[at] ^= flip
		m, err := Decode(record)
		if err != nil || Verify(signer, m) != nil {
			return
		}
		if string(m.Body) != c.Body || m.Timestamp != c.Timestamp {
			t.Errorf("altered to %q and still verified", record)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	m, err := Decode(benchEvent())
	if err != nil {
		b.Fatal(err)
	}
	signer := invoker.NewSigner("a secret of the benchmark")
	b.ReportAllocs()
	for b.Loop() {
		if err := Verify(signer, m); err == nil {
			b.Fatal("verified")
		}
	}
}
