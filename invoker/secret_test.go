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

func TestNamesSecret(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Authorization": true, "proxy-authorization": true, "Cookie": true, "Set-Cookie": true, "X-Auth-Token": true,
		"access_token": true, "GITHUB_TOKEN": true, "clientSecret": true, "DB_PASSWORD": true, "passwd": true, "credentials": true,
		"X-Api-Key": true, "api_key": true, "apikey": true, "ApiKey": true, "AWS_ACCESS_KEY_ID": true, "private-key": true,
		"SSH_PRIVATE_KEY": true, "secret_key": true, "X-Port-Signature": true, "sig": true, "X-Sig": true, "key": true, "Key": true,
		"Idempotency-Key": false, "sort_key": false, "keyboard": false, "KEY_COUNT": false, "X-Port-Run-Id": false, "environment": false,
		"design": false, "SIGNAL": false, "author": false, "X-Auth-Mode": false, "code": false, "": false, "-": false,
	} {
		if got := NamesSecret(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}
