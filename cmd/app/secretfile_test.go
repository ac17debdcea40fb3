package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"port-agent/agent/redact"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every secret setting may be in a file. Only secrets may.
func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	setOnly(t, map[string]string{"GITHUB_APP_ID": "7", "JENKINS_URL": "https://ci.internal", "JENKINS_USER_ID": "u",
		"PORT_ORG_ID_FILE": filepath.Join(dir, "missing")})
	want := map[string]string{}
	for name := range secretSettings(new(Config)) {
		want[name] = "value-of-" + name
		if name == "GITHUB_APP_PRIVATE_KEY" {
			want[name] = strings.TrimSpace(appKey)
		}
		path := filepath.Join(dir, name)
		writeFile(t, path, want[name]+"\r\n")
		t.Setenv(name, "")
		t.Setenv(name+"_FILE", path)
	}
	if len(want) < 6 {
		t.Fatalf("%d secret settings, want all", len(want))
	}
	cfg, err := ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	secrets := strings.Join(Secrets(cfg, os.Environ()), "\n")
	for name, value := range secretSettings(&cfg) {
		if got := value.Reveal(); got != want[name] {
			t.Errorf("%s: got %q, want %q", name, got, want[name])
		}
		if !strings.Contains(secrets, want[name]) {
			t.Errorf("%s is not concealed", name)
		}
		if !IsSetting(name + "_FILE") {
			t.Errorf("%s_FILE is no setting", name)
		}
	}
	if strings.Contains(secrets, dir) {
		t.Error("the path of a file is taken for a secret")
	}
}

func TestFaultsOfSecretFiles(t *testing.T) {
	dir := t.TempDir()
	full, empty := filepath.Join(dir, "full"), filepath.Join(dir, "empty")
	writeFile(t, full, "secret-value")
	writeFile(t, empty, "\n")
	for name, tt := range map[string]struct {
		vars map[string]string
		want string
	}{
		"both set": {map[string]string{"GITHUB_TOKEN": "x", "GITHUB_TOKEN_FILE": full}, "GITHUB_TOKEN and GITHUB_TOKEN_FILE are both set"},
		"missing":  {map[string]string{"GITLAB_TOKEN_FILE": filepath.Join(dir, "no")}, "GITLAB_TOKEN_FILE: open " + filepath.Join(dir, "no") + ": no such file"},
		"empty":    {map[string]string{"GITLAB_TOKEN_FILE": empty}, "GITLAB_TOKEN_FILE: " + empty + " is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			setOnly(t, tt.vars)
			_, err := ReadConfig()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// A file is read again within a second of its change, as the kubelet does it:
// by another file under the same name. The new value is concealed, and one that
// cannot be read leaves the old one.
func TestSecretFileIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	replace := func(text string) {
		t.Helper()
		writeFile(t, path+".new", text)
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		replace("first-value\n")
		var log bytes.Buffer
		redactor := redact.New("first-value")
		hidden := &issued{redactor: redactor, most: 2}
		f := &secretFile{name: "GITHUB_TOKEN", path: path, value: "first-value", conceal: hidden.conceal, log: zerolog.New(&log)}
		check := func(when, want string) {
			t.Helper()
			if got := f.get().Reveal(); got != want {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
			if got := redactor.String("a " + want); got != "a [redacted]" {
				t.Errorf("%s: it is not concealed: %s", when, got)
			}
		}
		check("at first", "first-value")
		replace("second-value\n")
		check("within a second", "first-value")
		time.Sleep(time.Second)
		check("after a change", "second-value")
		replace("\n")
		time.Sleep(time.Second)
		check("emptied", "second-value")
		if got := log.String(); !strings.Contains(got, "GITHUB_TOKEN_FILE") || !strings.Contains(got, "is empty") {
			t.Errorf("log: got %s, want the setting and why", got)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		check("removed", "second-value")
		for _, value := range []string{"third-value", "fourth-value"} {
			replace(value)
			time.Sleep(time.Second)
			check("changed once more", value)
		}
		if got := redactor.String("third-value"); got != "[redacted]" {
			t.Errorf("the value before is not concealed: %s", got)
		}
		if got := redactor.String("second-value"); got != "second-value" {
			t.Errorf("an old value is still searched for: %s", got)
		}
	})
}

// A setting of a fork or of an older version that has no effect is named.
func TestUnsupportedSettingsAreNamed(t *testing.T) {
	t.Setenv("AGENT_ENVIRONMENTS", "production")
	t.Setenv("PORT_API_URL", "")
	var log bytes.Buffer
	a := &App{log: zerolog.New(&log)}
	a.nameUnsupported()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"setting":"AGENT_ENVIRONMENTS"`) {
		t.Errorf("got %s, want AGENT_ENVIRONMENTS alone", got)
	}
	for name := range unsupported {
		if IsSetting(name) {
			t.Errorf("%s is a setting", name)
		}
	}
}
