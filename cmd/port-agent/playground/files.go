package playground

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"port-agent/cmd/port-agent/cases"
	"port-agent/examples"
	"port-agent/transform"
)

// Files are what a playground was started with. Their names come from the
// command line; the page knows them by index or not at all.
type Files struct {
	Mapping  string // empty: the small one that is built in
	Event    string // a file, or a folder of events
	Response string
	Poll     string
	Write    bool // the page may write Mapping and the cases beside it
}

// state is what the page shows.
type state struct {
	Mapping  string            `json:"mapping"`
	Event    string            `json:"event"`
	Response string            `json:"response"`
	Poll     string            `json:"poll"`
	Env      map[string]string `json:"env"`
}

// opening is what the page starts with.
type opening struct {
	state
	Given    bool    `json:"given"`   // it comes from files that were named
	File     string  `json:"file"`    // the name of the mapping, for people
	Version  string  `json:"version"` // of its content
	Write    bool    `json:"write"`
	Examples []named `json:"examples"`
	Events   []named `json:"events"`

	Schema json.RawMessage `json:"schema"` // of the mapping, for completion
}

type named struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

//go:embed start
var startFiles embed.FS

// Check reads the files once, so that the command can say what is wrong.
func (f Files) Check() error {
	if f.Write && f.Mapping == "" {
		return errors.New("-write needs -mapping FILE: the file that the page may write")
	}
	s := Server{files: f}
	_, err := s.start(nil)
	return err
}

func (s *Server) start(*http.Request) (any, error) {
	f := s.files
	o := opening{File: mappingName, Write: f.Write, Examples: exampleList(), Schema: transform.Schema()}
	var err error
	if o.state, err = readState(startFiles, "start"); err != nil {
		return nil, err
	}
	o.Given = f.Mapping != "" || f.Event != "" || f.Response != "" || f.Poll != ""
	if f.Mapping != "" {
		o.File = filepath.Base(f.Mapping)
		data, err := os.ReadFile(f.Mapping)
		if err != nil && !(f.Write && errors.Is(err, fs.ErrNotExist)) {
			return nil, fmt.Errorf("read mapping: %w", err)
		}
		if o.Env, o.Version = map[string]string{}, version(data); data != nil {
			o.Mapping = string(data)
		}
	}
	if o.Events, err = f.events(); err != nil {
		return nil, err
	}
	if f.Event != "" { // the built-in answers belong to the built-in event
		o.Response, o.Poll = "", ""
	}
	if len(o.Events) > 0 {
		f.Event = filepath.Join(f.Event, o.Events[0].Title)
	}
	for _, given := range []struct {
		file string
		text *string
	}{{f.Event, &o.Event}, {f.Response, &o.Response}, {f.Poll, &o.Poll}} {
		if given.file == "" {
			continue
		}
		data, err := os.ReadFile(given.file)
		if err != nil {
			return nil, err
		}
		*given.text = string(data)
	}
	return o, nil
}

// events lists the files of the folder of events.
func (f Files) events() ([]named, error) {
	list := []named{}
	if info, err := os.Stat(f.Event); f.Event == "" || err == nil && !info.IsDir() {
		return list, nil
	} else if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	entries, err := os.ReadDir(f.Event)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".json") {
			list = append(list, named{version([]byte(e.Name()))[:16], e.Name()})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no *.json", f.Event)
	}
	return list, nil
}

// event returns one event of the folder. The page knows it by a digest of its
// name, so that whatever the page sends, no path is made of it.
func (s *Server) event(r *http.Request) (any, error) {
	list, err := s.files.events()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(n named) bool { return n.Name == r.PathValue("id") })
	if i < 0 {
		return nil, fs.ErrNotExist
	}
	data, err := os.ReadFile(filepath.Join(s.files.Event, list[i].Title))
	return map[string]string{"event": string(data)}, err
}

// exampleList names the examples in the order of their README.
func exampleList() []named {
	entries, _ := examples.Files.ReadDir(".")
	var list []named
	for _, e := range entries {
		text, _ := examples.Files.ReadFile(path.Join(e.Name(), "README.md"))
		list = append(list, named{e.Name(), title(text)})
	}
	slices.SortStableFunc(list, func(a, b named) int { return cmp.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)) })
	return list
}

func (s *Server) example(r *http.Request) (any, error) {
	name := r.PathValue("name")
	if !slices.ContainsFunc(exampleList(), func(n named) bool { return n.Name == name }) {
		return nil, fs.ErrNotExist
	}
	return readState(examples.Files, name)
}

// readState reads a folder as examples/ has them.
func readState(files fs.FS, dir string) (st state, err error) {
	text := func(name string) string {
		data, fault := fs.ReadFile(files, path.Join(dir, name))
		if fault != nil && !errors.Is(fault, fs.ErrNotExist) {
			err = fault
		}
		return string(data)
	}
	st = state{Mapping: text("invocations.json"), Event: text("event.json"), Response: text("response.json"), Poll: text("poll.json"),
		Env: map[string]string{}}
	if env := text("env.json"); env != "" && err == nil {
		err = json.Unmarshal([]byte(env), &st.Env)
	}
	return st, err
}

// changed is the mapping that the page saves, or the one that it conflicts with.
type changed struct {
	Mapping string `json:"mapping"`
	Version string `json:"version"` // of the file when the page read it
}

// save writes the mapping, unless the file has changed since the page read it.
func (s *Server) save(_ context.Context, in changed) (any, error) {
	if !s.files.Write {
		return nil, &fault{status: http.StatusForbidden, text: "the playground was started without -write"}
	}
	current, err := os.ReadFile(s.files.Mapping)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if now := version(current); now != in.Version {
		return nil, &fault{http.StatusConflict, changed{string(current), now}, "changed on disk"}
	}
	if err := cases.WriteFile(s.files.Mapping, []byte(in.Mapping)); err != nil {
		return nil, err
	}
	return map[string]string{"version": version([]byte(in.Mapping))}, nil
}

// namedState is the content of the page and the name of the case to make of it.
type namedState struct {
	state
	Name string `json:"name"`
}

// saveCase makes a case of what the page shows. With -write it goes into the
// list beside the mapping, otherwise the page offers it as a download.
func (s *Server) saveCase(ctx context.Context, in namedState) (any, error) {
	entry, err := entry(ctx, in)
	if err != nil {
		return nil, err
	}
	mapping, list := mappingName, []byte(nil)
	if s.files.Write {
		mapping = s.files.Mapping
	}
	file := strings.TrimSuffix(mapping, filepath.Ext(mapping)) + cases.ListSuffix
	if s.files.Write {
		if list, err = os.ReadFile(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	list, err = cases.Append(list, entry)
	if err != nil {
		return nil, err
	}
	if s.files.Write {
		err = cases.WriteFile(file, list)
	}
	return map[string]any{"file": filepath.Base(file), "text": string(list), "written": s.files.Write}, err
}
