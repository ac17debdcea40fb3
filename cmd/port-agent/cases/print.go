package cases

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"port-agent/cmd/terminal"
	"port-agent/transform"
)

// Output says where results go, and which.
type Output struct {
	Text    io.Writer
	Verbose bool      // also the cases that pass
	Cover   bool      // also what no case uses
	GitHub  bool      // also a line for GitHub Actions after each failure
	JUnit   io.Writer // JUnit XML; nil: none
}

// Run runs the cases below paths and reports whether all passed. An error means that
// cases could not be read or results could not be written.
func Run(ctx context.Context, paths []string, o Options, out Output) (ok bool, err error) {
	started := time.Now()
	cases, err := o.load(paths)
	if err != nil {
		return false, err
	}
	r := &runner{Options: o, cover: coverage{}, mappings: map[string]*transform.Mapping{}}
	var results []result
	failed, updated := 0, 0
	for _, c := range cases {
		if o.Run != nil && !o.Run.MatchString(c.name) {
			continue
		}
		res := r.run(ctx, c)
		out.print(&res)
		if results = append(results, res); res.failed() {
			failed++
		} else if res.updated {
			updated++
		}
	}
	for _, c := range cases {
		for _, w := range c.wants {
			if err := w.doc.save(); err != nil {
				return false, err
			}
		}
	}
	if out.Cover {
		r.cover.print(out.Text)
	}
	out.sum(len(results), failed, updated, time.Since(started))
	return failed == 0, out.junit(results, failed)
}

// print shows one result the way go test does.
func (out Output) print(r *result) {
	word := "PASS"
	switch {
	case r.failed():
		word = "FAIL"
	case r.updated:
		word = "UPDATED"
	case !out.Verbose:
		return
	}
	fmt.Fprintf(out.Text, "--- %s: %s (%.2fs)\n", word, r.name, r.took.Seconds())
	if !r.failed() {
		return
	}
	for _, line := range r.lines() {
		fmt.Fprintln(out.Text, strings.TrimRight("    "+terminal.Printable(line), " "))
	}
	if out.GitHub {
		fmt.Fprintln(out.Text, r.annotation())
	}
}

// maxDifferences is how many differences of a case are shown.
const maxDifferences = 20

// lines say why a case failed.
func (r *result) lines() (out []string) {
	if r.err != nil {
		out = append(out, r.at.String()+":")
		for line := range strings.SplitSeq(r.err.Error(), "\n") {
			out = append(out, "    "+line)
		}
	}
	for i, d := range r.diff {
		if i == maxDifferences {
			out = append(out, fmt.Sprintf("and %d more", len(r.diff)-i))
			break
		}
		out = append(out, d.at.String()+": "+d.path, "    want "+d.want, "    got  "+d.got)
	}
	return append(out, r.notes...)
}

// annotation is the line that makes GitHub Actions show the failure at its
// place in the pull request.
func (r *result) annotation() string {
	at := r.at
	if len(r.diff) > 0 {
		at = r.diff[0].at
	}
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	return fmt.Sprintf("::error file=%s,line=%d,title=%s::%s", property.Replace(at.file), max(at.line, 1),
		property.Replace(r.name), text.Replace(strings.Join(r.lines(), "\n")))
}

func (out Output) sum(cases, failed, updated int, took time.Duration) {
	word := "ok  "
	if failed > 0 {
		word = "FAIL"
	}
	fmt.Fprintf(out.Text, "%s  %s", word, terminal.Count(cases, "case"))
	if failed > 0 {
		fmt.Fprintf(out.Text, ", %d failed", failed)
	}
	if updated > 0 {
		fmt.Fprintf(out.Text, ", %d updated", updated)
	}
	fmt.Fprintf(out.Text, ", %.2fs\n", took.Seconds())
}

// The file that CI servers read: https://github.com/testmoapp/junitxml.
type suite struct {
	XMLName  xml.Name `xml:"testsuite"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Cases    []entry  `xml:"testcase"`
}

type entry struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	File    string   `xml:"file,attr"`
	Time    string   `xml:"time,attr"`
	Failure *failure `xml:"failure"`
}

type failure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (out Output) junit(results []result, failed int) error {
	if out.JUnit == nil {
		return nil
	}
	s := suite{Name: "mapping", Tests: len(results), Failures: failed}
	for i := range results {
		r := &results[i]
		e := entry{Name: r.name, Class: r.mapping, File: r.at.file, Time: fmt.Sprintf("%.3f", r.took.Seconds())}
		if r.failed() {
			lines := r.lines()
			e.Failure = &failure{lines[0], strings.Join(lines, "\n")}
		}
		s.Cases = append(s.Cases, e)
	}
	if _, err := io.WriteString(out.JUnit, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(out.JUnit)
	enc.Indent("", "  ")
	return enc.Encode(s)
}
