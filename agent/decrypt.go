package agent

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sizes of an encrypted field: base64 of nonce, AES-256-GCM ciphertext, tag.
const (
	keySize   = 32 // of AES-256: the first bytes of the client secret
	nonceSize = 16
	tagSize   = 16
)

// everyElement is the path step that stands for each element of an array and
// each value of an object.
const everyElement = "*"

// Decrypt replaces the values at paths of an event by what Port encrypted in
// them with the client secret, which must be 32 bytes or longer. A path is a
// list of steps: names in objects, indexes in arrays, "*" for all of either.
//
// It returns a new tree and leaves root as it is, and it returns what must
// not be shown: each decrypted text and, of one that is JSON, its strings. A
// path that leads nowhere or to null is passed over. Any other value that is
// not text, or does not decrypt, is an error; it names the place, never the
// value.
func Decrypt(secret string, root map[string]any, paths [][]string) (tree map[string]any, secrets []string, err error) {
	if len(paths) == 0 {
		return root, nil, nil
	}
	d := decrypter{secret: secret}
	v, err := d.walk(root, paths, "")
	if err != nil {
		return nil, nil, err
	}
	return v.(map[string]any), d.secrets, nil
}

// decrypter keeps what one walk over an event needs and finds.
type decrypter struct {
	secret  string
	gcm     cipher.AEAD // made for the first field
	secrets []string
}

// walk follows all paths from v at once, so that a field which two of them
// reach is decrypted once. It copies what it changes.
func (d *decrypter) walk(v any, paths [][]string, at string) (any, error) {
	if v == nil {
		return nil, nil
	}
	if slices.ContainsFunc(paths, func(p []string) bool { return len(p) == 0 }) {
		return d.field(v, at)
	}
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := d.child(v[name], paths, at, name, func(x any) { out[name] = x }); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := slices.Clone(v)
		for i := range v {
			if err := d.child(v[i], paths, at, strconv.Itoa(i), func(x any) { out[i] = x }); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// child goes on into the value at step, where a path leads there.
func (d *decrypter) child(v any, paths [][]string, at, step string, set func(any)) error {
	var rest [][]string
	for _, p := range paths {
		if p[0] == step || p[0] == everyElement {
			rest = append(rest, p[1:])
		}
	}
	if rest == nil {
		return nil
	}
	x, err := d.walk(v, rest, strings.TrimPrefix(at+"."+step, "."))
	if err != nil {
		return err
	}
	set(x)
	return nil
}

// field decrypts the value at a path's end.
func (d *decrypter) field(v any, at string) (string, error) {
	text, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("decrypt %s: not a string", at)
	}
	if d.gcm == nil {
		var err error
		if d.gcm, err = newGCM(d.secret); err != nil {
			return "", fmt.Errorf("decrypt %s: %w", at, err)
		}
	}
	plain, err := open(d.gcm, text)
	if err != nil {
		return "", fmt.Errorf("decrypt %s: %w", at, err)
	}
	d.secrets = appendStrings(append(d.secrets, plain), plain)
	return plain, nil
}

func newGCM(secret string) (cipher.AEAD, error) {
	if len(secret) < keySize {
		return nil, fmt.Errorf("the client secret is shorter than %d bytes", keySize)
	}
	block, err := aes.NewCipher([]byte(secret[:keySize]))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithNonceSize(block, nonceSize)
}

// open decrypts one field. Its errors hold nothing of the text.
func open(gcm cipher.AEAD, text string) (string, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", errors.New("not base64")
	}
	if len(sealed) < nonceSize+tagSize {
		return "", errors.New("too short for an encrypted value")
	}
	plain, err := gcm.Open(nil, sealed[:nonceSize], sealed[nonceSize:], nil)
	if err != nil {
		return "", errors.New("not encrypted with this client secret, or altered since")
	}
	if !utf8.Valid(plain) {
		return "", errors.New("decrypts to something that is not text")
	}
	return string(plain), nil
}

// appendStrings appends the strings of plain where it is a JSON object or
// array: a mapping may take it apart and send one of them alone.
func appendStrings(dst []string, plain string) []string {
	if plain == "" || plain[0] != '{' && plain[0] != '[' {
		return dst
	}
	var v any
	if json.Unmarshal([]byte(plain), &v) != nil {
		return dst
	}
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case string:
			dst = append(dst, v)
		case map[string]any:
			for _, x := range v {
				collect(x)
			}
		case []any:
			for _, x := range v {
				collect(x)
			}
		}
	}
	collect(v)
	return dst
}
