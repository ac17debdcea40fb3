package event

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// encryptedFile is testdata/encrypted.json, made by another implementation.
type encryptedFile struct {
	Secret string
	Good   []struct{ Plain, Encrypted string }
	Bad    []struct{ Name, Encrypted, Why string }
}

func encryptedFields(t testing.TB) (file encryptedFile) {
	t.Helper()
	data, err := os.ReadFile("testdata/encrypted.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDecryptEncryptedElsewhere(t *testing.T) {
	t.Parallel()
	file := encryptedFields(t)
	paths := [][]string{{"payload", "secret"}}
	for _, c := range file.Good {
		tree, secrets, err := Decrypt(file.Secret, map[string]any{"payload": map[string]any{"secret": c.Encrypted}}, paths)
		if err != nil {
			t.Errorf("%q: %v", c.Plain, err)
			continue
		}
		if got := tree["payload"].(map[string]any)["secret"]; got != c.Plain {
			t.Errorf("got %q, want %q", got, c.Plain)
		}
		if !slices.Contains(secrets, c.Plain) {
			t.Errorf("secrets %q lack %q", secrets, c.Plain)
		}
	}
	for _, c := range file.Bad {
		tree, _, err := Decrypt(file.Secret, map[string]any{"payload": map[string]any{"secret": c.Encrypted}}, paths)
		switch {
		case err == nil:
			t.Errorf("%s: got %v, want an error", c.Name, tree)
		case !strings.HasPrefix(err.Error(), "decrypt payload.secret: ") || !strings.Contains(err.Error(), c.Why):
			t.Errorf("%s: got %q, want the path and %q", c.Name, err, c.Why)
		case c.Encrypted != "" && strings.Contains(err.Error(), c.Encrypted):
			t.Errorf("%s: the error holds the value: %v", c.Name, err)
		}
	}
}

// TestDecryptVectors tries the fields of the file that SIGNATURE_VECTORS
// names: {secret, encrypted: {good: [{plain, encrypted}], bad: [{encrypted}]}}.
func TestDecryptVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		Secret    string
		Encrypted struct {
			Good, Bad []struct{ Name, Plain, Encrypted string }
		}
	}
	readVectors(t, &file)
	if len(file.Encrypted.Good) == 0 || len(file.Encrypted.Bad) == 0 {
		t.Fatal("no encrypted vectors")
	}
	for _, c := range file.Encrypted.Good {
		tree, _, err := Decrypt(file.Secret, map[string]any{"a": c.Encrypted}, [][]string{{"a"}})
		if err != nil || tree["a"] != c.Plain {
			t.Errorf("%s: got %v, %v, want %q", c.Name, tree["a"], err, c.Plain)
		}
	}
	for _, c := range file.Encrypted.Bad {
		if tree, _, err := Decrypt(file.Secret, map[string]any{"a": c.Encrypted}, [][]string{{"a"}}); err == nil {
			t.Errorf("%s: got %v, want an error", c.Name, tree)
		}
	}
}

func TestDecryptPaths(t *testing.T) {
	t.Parallel()
	file := encryptedFields(t)
	x, js := file.Good[0].Encrypted, file.Good[4].Encrypted
	const plain, plainJS = "hunter2", `{"user":"u","keys":["k1","k2"]}`
	tests := []struct {
		name    string
		in      string
		paths   string // separated by spaces
		want    string
		secrets []string
	}{
		{"no paths", `{"a":"X"}`, "", `{"a":"X"}`, nil},
		{"at the top", `{"a":"X","b":"X"}`, "a", `{"a":"hunter2","b":"X"}`, []string{plain}},
		{"in depth", `{"a":{"b":{"c":"X","d":1}}}`, "a.b.c", `{"a":{"b":{"c":"hunter2","d":1}}}`, []string{plain}},
		{"index of an array", `{"a":["X","X"]}`, "a.1", `{"a":["X","hunter2"]}`, []string{plain}},
		{"digits as a name", `{"a":{"1":"X"}}`, "a.1", `{"a":{"1":"hunter2"}}`, []string{plain}},
		{"every element", `{"a":["X","X"]}`, "a.*", `{"a":["hunter2","hunter2"]}`, []string{plain, plain}},
		{"every value", `{"a":{"b":"X","c":"X"}}`, "a.*", `{"a":{"b":"hunter2","c":"hunter2"}}`, []string{plain, plain}},
		{"every element, then a name", `{"a":[{"s":"X","t":"X"},{"u":1},{"s":null},7]}`, "a.*.s", `{"a":[{"s":"hunter2","t":"X"},{"u":1},{"s":null},7]}`, []string{plain}},
		{"absent name", `{"a":{"b":1}}`, "a.c x.y.z", `{"a":{"b":1}}`, nil},
		{"absent index", `{"a":["X"]}`, "a.1 a.-1 a.01 a.x", `{"a":["X"]}`, nil},
		{"null", `{"a":null}`, "a a.b", `{"a":null}`, nil},
		{"through a scalar", `{"a":"X","b":1}`, "a.b b.c", `{"a":"X","b":1}`, nil},
		{"twice", `{"a":["X"]}`, "a.0 a.* a.0", `{"a":["hunter2"]}`, []string{plain}},
		{"JSON text", `{"a":"J"}`, "a", `{"a":"` + strings.ReplaceAll(plainJS, `"`, `\"`) + `"}`, []string{plainJS, "u", "k1", "k2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			encrypted := strings.NewReplacer("X", x, "J", js)
			root, want := tree(t, encrypted.Replace(tt.in)), tree(t, encrypted.Replace(tt.want))
			var paths [][]string
			for p := range strings.FieldsSeq(tt.paths) {
				paths = append(paths, strings.Split(p, "."))
			}
			got, secrets, err := Decrypt(file.Secret, root, paths)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			slices.Sort(secrets)
			slices.Sort(tt.secrets)
			if !slices.Equal(secrets, tt.secrets) {
				t.Errorf("secrets: got %q, want %q", secrets, tt.secrets)
			}
			if !reflect.DeepEqual(root, tree(t, encrypted.Replace(tt.in))) {
				t.Errorf("the event itself was changed: %v", root)
			}
		})
	}
}

func TestDecryptErrors(t *testing.T) {
	t.Parallel()
	file := encryptedFields(t)
	x := file.Good[0].Encrypted
	tests := []struct{ name, secret, in, path, want string }{
		{"number", file.Secret, `{"a":[1]}`, "a.*", "decrypt a.0: not a string"},
		{"object", file.Secret, `{"a":{"b":{}}}`, "a.b", "decrypt a.b: not a string"},
		{"boolean", file.Secret, `{"a":false}`, "a", "decrypt a: not a string"},
		{"second of two", file.Secret, `{"a":["` + x + `","` + x + `x"]}`, "a.*", "decrypt a.1: not base64"},
		{"short secret", file.Secret[:31], `{"a":"` + x + `"}`, "a", "decrypt a: the client secret is shorter than 32 bytes"},
	}
	for _, tt := range tests {
		_, secrets, err := Decrypt(tt.secret, tree(t, tt.in), [][]string{strings.Split(tt.path, ".")})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
		if secrets != nil {
			t.Errorf("%s: got secrets besides the error", tt.name)
		}
	}
	if _, _, err := Decrypt("short", tree(t, `{"b":1}`), [][]string{{"a"}}); err != nil {
		t.Errorf("a short secret and nothing to decrypt: %v", err)
	}
}

// FuzzDecrypt feeds values and paths: never a panic, never a value in an error,
// and the event stays as it is.
func FuzzDecrypt(f *testing.F) {
	file := encryptedFields(f)
	for _, c := range file.Good {
		f.Add(`{"a":["`+c.Encrypted+`",{"b":null}]}`, "a.*", c.Encrypted)
	}
	for _, c := range file.Bad {
		f.Add(`{"a":{"0":1}}`, "a.0", c.Encrypted)
	}
	f.Fuzz(func(t *testing.T, record, path, value string) {
		m, err := Decode([]byte(record))
		if err != nil {
			return
		}
		m.Root["fuzzed"] = value
		before, err := json.Marshal(m.Root)
		if err != nil {
			t.Fatal(err)
		}
		paths := [][]string{strings.Split(path, "."), {"fuzzed"}}
		if _, _, err := Decrypt(file.Secret, m.Root, paths); err != nil && len(value) > 24 && strings.Contains(err.Error(), value) {
			t.Errorf("the error holds the value: %v", err)
		}
		if after, err := json.Marshal(m.Root); err != nil || string(after) != string(before) {
			t.Errorf("the event itself was changed from %s to %s (%v)", before, after, err)
		}
	})
}

// tree decodes an object that a test wrote.
func tree(t *testing.T, text string) map[string]any {
	t.Helper()
	m, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m.Root
}

func TestMask(t *testing.T) {
	t.Parallel()
	const text = `{"a":{"b":"x"},"c":[{"d":"y","e":1},{"d":null}],"f":"z"}`
	root := tree(t, text)
	masked, places := Mask(root, [][]string{{"a", "b"}, {"c", "*", "d"}, {"f", "g"}, {"none"}})
	want := tree(t, `{"a":{"b":"[not decrypted]"},"c":[{"d":"[not decrypted]","e":1},{"d":null}],"f":"z"}`)
	if !reflect.DeepEqual(masked, want) {
		t.Errorf("tree = %v, want %v", masked, want)
	}
	if got := strings.Join(places, " "); got != "a.b c.0.d" {
		t.Errorf("places = %q, want a.b c.0.d", got)
	}
	if !reflect.DeepEqual(root, tree(t, text)) {
		t.Error("Mask changed the event")
	}
}
