package app

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"port-agent/invoker"
)

// fileSuffix ends the name of a setting that names the file of a secret.
const fileSuffix = "_FILE"

var secretType = reflect.TypeFor[invoker.Secret]()

// readSecret returns the content of a file without the line breaks at its end.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" {
		return "", errors.New(path + " is empty")
	}
	return value, nil
}

// readSecretFiles fills in the secrets of p that are in files.
func readSecretFiles(p part) error {
	var errs []error
	for _, s := range settings(p) {
		path := os.Getenv(s.name + fileSuffix)
		if path == "" || s.value.Type() != secretType {
			continue
		}
		if os.Getenv(s.name) != "" {
			errs = append(errs, fmt.Errorf("%s and %s%s are both set; set one of them", s.name, s.name, fileSuffix))
			continue
		}
		value, err := readSecret(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %w", s.name, fileSuffix, err))
		}
		s.value.SetString(value)
	}
	return errors.Join(errs...)
}

// lookInterval is the shortest time between two looks at the file of a secret.
const lookInterval = time.Second

// secretFile is a secret that is read again when its file changes. A file that
// cannot be read leaves the secret as it was.
type secretFile struct {
	name, path string
	conceal    func(secret string)
	log        zerolog.Logger

	mu     sync.Mutex
	value  invoker.Secret
	looked time.Time
}

// secretFiles returns the functions that read the secret settings of cfg that come
// from files, by the names of the settings. conceal is called with each new value.
func secretFiles(cfg *Config, conceal func(string), log zerolog.Logger) map[string]invoker.SecretFunc {
	files := make(map[string]invoker.SecretFunc)
	for name, value := range secretSettings(cfg) {
		if path := os.Getenv(name + fileSuffix); path != "" {
			f := &secretFile{name: name, path: path, conceal: conceal, log: log, value: value}
			files[name] = f.get
		}
	}
	return files
}

// get returns the current value.
func (f *secretFile) get() invoker.Secret {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.looked) >= lookInterval {
		f.looked = now
		f.look()
	}
	return f.value
}

func (f *secretFile) look() {
	value, err := readSecret(f.path)
	switch {
	case err != nil:
		f.log.Warn().Err(err).Str("setting", f.name+fileSuffix).Msg("secret not read again, the previous one stays in use")
	case invoker.Secret(value) != f.value:
		f.conceal(value)
		f.value = invoker.Secret(value)
		f.log.Info().Str("setting", f.name+fileSuffix).Msg("secret read again")
	}
}
