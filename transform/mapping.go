package transform

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"port-agent/transform/jq"
)

// ErrNoRule is the error of Match, alone or wrapped, where no rule is for the
// event.
var ErrNoRule = errors.New("no rule matches")

// Mapping is a mapping file, compiled. It does not change, and its methods may
// be called from many goroutines at once.
type Mapping struct {
	File     string // its name, "" for the built-in rule
	Hash     string // SHA-256 of the file's bytes, in hex
	Rules    []*Rule
	Warnings []Finding // what looks wrong
}

// builtIn is the mapping of an agent without a file: every event is taken, and
// its backend decides everything.
const builtIn = `[{"enabled": true}]`

// File returns the mapping file: Path, else LegacyPath, else the first that
// exists of ./invocations.json, ./control_the_payload_config.json and
// ~/control_the_payload_config.json, else "". A file that was named has to exist.
func (c Config) File() string { return cmp.Or(c.Path, c.LegacyPath, search()) }

// Load reads the mapping file. Without one it returns a built-in rule that takes
// every event as it is.
//
// environ is the environment that expressions see, as os.Environ returns it. An
// error joins all that is wrong, each a Finding.
func Load(cfg Config, environ []string) (*Mapping, error) {
	file, data := cfg.File(), []byte(builtIn)
	if file != "" {
		var err error
		if data, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read mapping: %w", err)
		}
	}
	m, findings := Parse(file, data, cfg, environ)
	return m, joinErrors(findings)
}

// search returns the first mapping file in the usual places, "" without one.
func search() string {
	places := []string{"invocations.json", "control_the_payload_config.json"}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, "control_the_payload_config.json"))
	}
	for _, p := range places {
		// Whatever is there counts, even what cannot be read: to go on with
		// the built-in rule instead would ignore a file that exists.
		if _, err := os.Stat(p); !errors.Is(err, os.ErrNotExist) {
			return p
		}
	}
	return ""
}

// Parse reads a mapping from data. It returns everything that is wrong or looks
// wrong with it, rule by rule; the mapping is nil where a finding is more than a
// warning. file is the name that findings show. Of cfg only Strict and TimeoutMS
// count. See Load for environ.
func Parse(file string, data []byte, cfg Config, environ []string) (*Mapping, []Finding) {
	text := bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark, as some editors write one
	p := parser{cfg: cfg, env: jq.NewEnvironment(environ, cfg.timeout()), file: file, data: text, mark: len(data) - len(text)}
	rules := p.rules()
	if joinErrors(p.findings) != nil {
		return nil, p.findings
	}
	sum := sha256.Sum256(data)
	return &Mapping{File: file, Hash: hex.EncodeToString(sum[:]), Rules: rules, Warnings: p.findings}, p.findings
}

// Match returns the first rule that is enabled for event. Where there is none
// the error is ErrNoRule; it names rules whose enabled failed, since one of
// them may have been meant. Any other error is that of ctx.
func (m *Mapping) Match(ctx context.Context, event any) (*Rule, error) {
	var failed []string
	rule := m.first(ctx, event, func(_ *Rule, _ any, err error) {
		if err != nil && len(failed) < maxTold {
			failed = append(failed, err.Error())
		}
	})
	switch {
	case rule != nil:
		return rule, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case len(failed) > 0:
		return nil, fmt.Errorf("%w: %s", ErrNoRule, strings.Join(failed, "; "))
	}
	return nil, ErrNoRule
}

// maxTold is how many failing rules an error of Match names.
const maxTold = 3

// Considered is the result of enabled of one rule.
type Considered struct {
	Rule    int
	Name    string
	Enabled bool
	Why     string // "enabled gave false", "enabled failed: …"
}

// Consider does what Match does and returns every rule that it looked at, in
// order. The rule is nil where none matches or ctx has ended.
func (m *Mapping) Consider(ctx context.Context, event any) (rule *Rule, considered []Considered) {
	rule = m.first(ctx, event, func(r *Rule, v any, err error) {
		considered = append(considered, Considered{Rule: r.Index, Name: r.Name, Enabled: v == true, Why: r.why(v, err)})
	})
	return rule, considered
}

// first returns the first rule that is enabled for event, nil where there is none
// or ctx has ended. It calls each with the result of enabled of every rule that it
// looks at.
func (m *Mapping) first(ctx context.Context, event any, each func(r *Rule, v any, err error)) *Rule {
	for _, r := range m.Rules {
		ev := evaluation{rule: r, input: event}
		v, err := ev.required(ctx, r.enabled)
		each(r, v, err)
		if v == true {
			return r
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil
}
