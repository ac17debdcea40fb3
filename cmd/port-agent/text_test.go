package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestExplainText holds the text and the JSON of each folder of
// testdata/explain to the files beside it, and both to be free of secrets.
func TestExplainText(t *testing.T) {
	dirs, err := filepath.Glob("testdata/explain/*/event.json")
	if err != nil || len(dirs) < 11 {
		t.Fatalf("%d cases (%v), want 11 or more", len(dirs), err)
	}
	for _, event := range dirs {
		dir := filepath.Dir(event)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			setEnv(t, exampleEnv(t, dir))
			args := append([]string{"explain"}, exampleArgs(dir)...)
			code, out, errs := runCommand(args...)
			if code != exitOK || errs != "" {
				t.Fatalf("explain = %d, %s", code, errs)
			}
			golden(t, filepath.Join(dir, "explain.txt"), out)
			code, object, errs := runCommand(append(args, "-json")...)
			if code != exitOK || errs != "" {
				t.Fatalf("explain -json = %d, %s", code, errs)
			}
			golden(t, filepath.Join(dir, "explain.json"), object)
			for _, secret := range hiddenTexts {
				if strings.Contains(out+object, secret) {
					t.Errorf("explain shows %q", secret)
				}
			}
		})
	}
}

// hiddenTexts are the secrets of testdata/explain, as they are and in base64.
var hiddenTexts = []string{"hunter22", "url-token-1", "ci-token-value-1", "Y2ktdG9rZW4tdmFsdWUtM", "ab1", `"s3"`,
	"correct horse", "4F7K-22QD", "another-secret", "a-dummy-secret"}

func TestExplainShowsSecrets(t *testing.T) {
	dir := "testdata/explain/secrets"
	setEnv(t, exampleEnv(t, dir))
	_, out, _ := runCommand(append([]string{"explain", "-show-secrets"}, exampleArgs(dir)...)...)
	for _, secret := range []string{"url-token-1", "Bearer ci-token-value-1", "token: ab1", `"s3"`, "queue full for ci-token-value-1"} {
		if !strings.Contains(out, secret) {
			t.Errorf("explain -show-secrets does not show %q:\n%s", secret, out)
		}
	}
	if strings.Contains(out, "[redacted]") {
		t.Errorf("explain -show-secrets shows %s:\n%s", "[redacted]", out)
	}
}
