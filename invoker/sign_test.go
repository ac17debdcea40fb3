package invoker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Made with openssl: printf '%s' "1767612505.$body" | openssl dgst -sha256
// -hmac k3y -binary | base64, and openssl dgst -sha1 -hmac k3y for the other.
func TestSignaturesOfOpenSSL(t *testing.T) {
	t.Parallel()
	const body = `{"name":"Zürich <&>","n":9007199254740993}`
	signer := NewSigner("k3y")
	if got, want := signer.V1("1767612505", []byte(body)), "v1,qL9TcOhpsJ9OQx/88LS1ebVAmiik+Seg3h/1Eo4RuRI="; got != want {
		t.Errorf("v1 signature: got %s, want %s", got, want)
	}
	if got, want := signer.SHA1([]byte(body)), "sha1=6a68b59256ba37d93af0d7964ee028ceafa42d09"; got != want {
		t.Errorf("sha1 signature: got %s, want %s", got, want)
	}
}

func TestSignaturesOfVectors(t *testing.T) {
	t.Parallel()
	file := os.Getenv("SIGNATURE_VECTORS")
	if file == "" {
		t.Skip("SIGNATURE_VECTORS names no file of signatures")
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, "vectors.json")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Secret   string
		Outgoing struct{ Body, Timestamp, V1, SHA1 string }
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	v := vectors.Outgoing
	if v.Body == "" || v.V1 == "" || v.SHA1 == "" {
		t.Fatalf("no outgoing signatures in %s", file)
	}
	signer := NewSigner(Secret(vectors.Secret))
	if got := signer.V1(v.Timestamp, []byte(v.Body)); got != v.V1 {
		t.Errorf("v1 signature: got %s, want %s", got, v.V1)
	}
	if got := signer.SHA1([]byte(v.Body)); got != v.SHA1 {
		t.Errorf("sha1 signature: got %s, want %s", got, v.SHA1)
	}
}
