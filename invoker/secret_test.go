package invoker

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	const secret = Secret("rule-canary")
	holder := struct{ S Secret }{secret}
	text := fmt.Sprintf("%v %s %q %x %d %+v %#v %v %#v", secret, secret, secret, secret, secret, holder, holder, &holder, secret)
	data, err := json.Marshal([]any{secret, holder})
	if err != nil {
		t.Fatal(err)
	}
	text += string(data)
	checkSecrets(t, "text", text)
	if strings.Contains(text, hex.EncodeToString([]byte(secret.Reveal()))) {
		t.Errorf("got the secret in hex: %s", text)
	}
	if got, want := secret.Reveal(), "rule-canary"; got != want {
		t.Errorf("reveal: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprintf("[%v]", Secret("")), "[]"; got != want {
		t.Errorf("an empty secret: got %s, want %s", got, want)
	}
}
