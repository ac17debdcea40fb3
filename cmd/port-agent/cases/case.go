// Package cases runs the tests of mappings: it explains events and compares the
// results with what is expected. It is behind the command test, and the playground
// saves cases in its format. It evaluates and sends nothing itself: package
// explanation does the work.
package cases

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ListSuffix is the end of the name of a list of cases: NAME_test.json is about the
// mapping NAME.json.
const ListSuffix = "_test.json"

const (
	mappingFile = "invocations.json"
	eventFile   = "event.json"
	requestFile = "request.json"
)

// keys are the keys of a case, in the order in which they are compared and
// written, and the files of a folder that hold them.
var keys = []struct{ name, file string }{
	{"event", eventFile}, {"response", "response.json"}, {"poll", "poll.json"}, {"env", "env.json"},
	{"rule", ""}, {"request", requestFile}, {"report", "report.json"}, {"pollReport", "poll-report.json"}, {"error", ""},
}

// testCase is an event and the expected result.
type testCase struct {
	name     string
	mapping  string // file
	at       place  // of the case
	event    []byte
	response []byte // nil: none
	poll     []byte // nil: none
	environ  []string
	wants    map[string]want // by keys
}

// want is an expected value in its document.
type want struct {
	doc *document
	value
}

// place is a line of a file.
type place struct {
	file string
	line int // 0: the file as a whole
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// load reads the cases below paths. It skips folders that start with a dot.
func (o Options) load(paths []string) (cases []testCase, err error) {
	for _, root := range paths {
		err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
			var found []testCase
			switch {
			case err != nil:
			case entry.IsDir():
				if name := entry.Name(); file != root && strings.HasPrefix(name, ".") && name != ".." {
					return filepath.SkipDir
				}
			case strings.HasSuffix(file, ListSuffix):
				found, err = o.list(file)
			case entry.Name() == eventFile:
				found, err = o.folder(root, filepath.Dir(file))
			}
			cases = append(cases, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("no cases in %s: a case is a folder with %s and %s, or an entry of a file *%s",
			strings.Join(paths, ", "), eventFile, requestFile, ListSuffix)
	}
	return cases, nil
}

// folder reads the case of a folder. Without request.json there is none, unless
// -update writes that file; beside a list of cases event.json belongs to the list.
func (o Options) folder(root, dir string) ([]testCase, error) {
	c := testCase{name: filepath.ToSlash(dir), at: place{file: filepath.Join(dir, eventFile)}, wants: map[string]want{}}
	lists, err := filepath.Glob(filepath.Join(dir, "*"+ListSuffix))
	if err != nil || !exists(filepath.Join(dir, requestFile)) && (!o.Update || len(lists) > 0) {
		return nil, err
	}
	if c.mapping, err = o.mappingOf(root, dir); err != nil {
		return nil, err
	}
	for _, k := range keys {
		file := filepath.Join(dir, k.file)
		updated := o.Update && (k.name == "request" || k.name == "report" && c.response != nil || k.name == "pollReport" && c.poll != nil)
		if k.file == "" || !exists(file) && !updated {
			continue
		}
		d, err := readDocument(file)
		if errors.Is(err, fs.ErrNotExist) { // -update writes the file unless the result is null
			d, err = parseDocument(file, []byte("null\n"))
		}
		if err != nil {
			return nil, err
		}
		if err := c.take(k.name, d, d.root); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return []testCase{c}, nil
}

// mappingOf finds the mapping of a folder: in it, or in the nearest parent up to
// root.
func (o Options) mappingOf(root, dir string) (string, error) {
	if o.Mapping != "" {
		return o.Mapping, nil
	}
	for at := dir; ; at = filepath.Dir(at) {
		if file := filepath.Join(at, mappingFile); exists(file) {
			return file, nil
		}
		if at == filepath.Clean(root) || at == filepath.Dir(at) {
			return "", fmt.Errorf("%s: no %s there or above it; name one with -mapping", dir, mappingFile)
		}
	}
}

// list reads a file of cases.
func (o Options) list(file string) ([]testCase, error) {
	d, err := readDocument(file)
	if err != nil {
		return nil, err
	}
	if d.root.Kind() != jsontext.KindBeginArray {
		return nil, fmt.Errorf("%s: must be a list of cases", file)
	}
	mapping := cmp.Or(o.Mapping, strings.TrimSuffix(file, ListSuffix)+".json")
	var cases []testCase
	for i, v := range d.root.children() {
		c := testCase{mapping: mapping, at: place{file, d.line(v.offset)}, wants: map[string]want{}}
		if err := c.read(d, v); err != nil {
			return nil, fmt.Errorf("%s: %w", c.at, err)
		}
		c.name = filepath.ToSlash(file) + "/" + cmp.Or(c.name, fmt.Sprint(i))
		cases = append(cases, c)
	}
	return cases, nil
}

// read reads an entry of a list.
func (c *testCase) read(d *document, entry value) error {
	if entry.Kind() != jsontext.KindBeginObject {
		return errors.New("must be an object")
	}
	for _, m := range entry.children() {
		if err := c.take(m.name, d, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	switch {
	case c.event == nil:
		return errors.New("no event")
	case len(c.wants) == 0:
		return errors.New("nothing is expected: add rule, request, report, pollReport or error")
	}
	return nil
}

// take sets what a case says under a key. An unknown key is an error: otherwise
// a misspelt expectation would always pass.
func (c *testCase) take(key string, d *document, v value) (err error) {
	switch key {
	case "name":
		var ok bool
		if c.name, ok = v.text(); !ok {
			return errors.New("must be a string")
		}
	case "env":
		var vars map[string]string
		if err := json.Unmarshal(v.Value, &vars); err != nil {
			return fmt.Errorf("must be an object of strings: %w", err)
		}
		c.environ = Environ(vars)
	case "event":
		c.event, err = d.input(v)
	case "response":
		c.response, err = d.input(v)
	case "poll":
		c.poll, err = d.input(v)
	default:
		for _, k := range keys {
			if k.name == key {
				c.wants[key] = want{d, v}
				return nil
			}
		}
		return errors.New("unknown key")
	}
	return err
}

// input is a value of the document, or the content of the file that it names.
func (d *document) input(v value) ([]byte, error) {
	if name, ok := v.text(); ok {
		return os.ReadFile(filepath.Join(filepath.Dir(d.file), filepath.FromSlash(name)))
	}
	if kind := v.Kind(); kind != jsontext.KindBeginObject && kind != jsontext.KindBeginArray {
		return nil, errors.New("must be an object or the name of a file")
	}
	return v.Value, nil
}

// Environ returns variables in the form of os.Environ.
func Environ(vars map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, name+"="+vars[name])
	}
	return out
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
