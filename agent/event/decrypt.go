package event

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
	v, err := atPaths(root, paths, "", func(v any, at string) (any, error) {
		plain, err := open(secret, v)
		if err != nil {
			return nil, fmt.Errorf("decrypt %s: %w", at, err)
		}
		secrets = appendStrings(append(secrets, plain), plain)
		return plain, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return v.(map[string]any), secrets, nil
}

// NotDecrypted stands where Mask has found an encrypted field.
const NotDecrypted = "[not decrypted]"

// Mask puts NotDecrypted in the place of every value that paths lead to, in a copy
// of root, and names the places.
func Mask(root map[string]any, paths [][]string) (tree map[string]any, places []string) {
	v, _ := atPaths(root, paths, "", func(_ any, at string) (any, error) {
		places = append(places, at)
		return NotDecrypted, nil
	})
	return v.(map[string]any), places
}

// atPaths returns a copy of v with the values that paths lead to as edit gives
// them. All paths are walked at once, so that a value which two of them reach is
// edited once; at is the place of v.
func atPaths(v any, paths [][]string, at string, edit func(v any, at string) (any, error)) (any, error) {
	switch {
	case v == nil || len(paths) == 0:
		return v, nil
	case slices.ContainsFunc(paths, func(p []string) bool { return len(p) == 0 }):
		return edit(v, at)
	}
	child := func(v any, step string) (any, error) {
		var rest [][]string
		for _, p := range paths {
			if p[0] == step || p[0] == everyElement {
				rest = append(rest, p[1:])
			}
		}
		return atPaths(v, rest, strings.TrimPrefix(at+"."+step, "."), edit)
	}
	var err error
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if out[name], err = child(v[name], name); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := slices.Clone(v)
		for i := range v {
			if out[i], err = child(v[i], strconv.Itoa(i)); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// open decrypts one field. Its errors hold nothing of the text.
func open(secret string, v any) (string, error) {
	text, ok := v.(string)
	if !ok {
		return "", errors.New("not a string")
	}
	if len(secret) < keySize {
		return "", fmt.Errorf("the client secret is shorter than %d bytes", keySize)
	}
	block, err := aes.NewCipher([]byte(secret[:keySize]))
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, nonceSize)
	if err != nil {
		return "", err
	}
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
