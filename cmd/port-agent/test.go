package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"regexp"

	"port-agent/cmd/port-agent/cases"
	"port-agent/cmd/terminal"
)

const testUsage = `usage: port-agent test [-mapping FILE] [-run RE] [-v] [-update] [-cover] [-junit FILE] [PATH...]

Runs the tests of a mapping: explains events and compares the results with what
is expected. It sends nothing. PATH is a folder, searched recursively, or a file
of cases. The default is the current folder. A case is one of:

  - a folder with event.json and request.json, and optionally response.json,
    report.json, poll.json, poll-report.json and env.json, as in examples/. Its
    mapping is invocations.json in that folder or in the nearest parent up to
    PATH;
  - an entry of NAME_test.json, a list of objects with name, event, env, response
    and poll, and with the expected rule, request, report, pollReport and error.
    The mapping is NAME.json beside it. event, response and poll are JSON or file
    names.

Only the given fields, headers and query parameters of a request are compared;
its body and the report are compared as a whole. rule is a name, an index (from
0), or null for none. request is null if nothing is sent. error is a part of the
reason. env is the whole environment, settings included.

  -mapping FILE   use this mapping for all cases
  -run RE         run only the cases whose name matches a regular expression
  -v              also print the cases that pass
  -update         write the results into the files that differ
  -cover          print rules that no case chose and reports that none evaluated
  -junit FILE     also write the results as JUnit XML

In GitHub Actions, failures are shown at their lines. The exit code is 1 if a
case failed, else 0.
`

// test runs the cases of a mapping.
func test(args []string, stdout, _ io.Writer) error {
	var o cases.Options
	out := cases.Output{Text: stdout, GitHub: os.Getenv("GITHUB_ACTIONS") == "true"}
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.StringVar(&o.Mapping, "mapping", "", "")
	flags.Func("run", "", func(s string) (err error) {
		o.Run, err = regexp.Compile(s)
		return err
	})
	flags.BoolVar(&out.Verbose, "v", false, "")
	flags.BoolVar(&o.Update, "update", false, "")
	flags.BoolVar(&out.Cover, "cover", false, "")
	junit := flags.String("junit", "", "")
	if err := parse(flags, testUsage, args, stdout, true); err != nil {
		return err
	}
	paths := flags.Args()
	if len(paths) == 0 {
		paths = []string{"."}
	}
	if *junit != "" {
		file, err := os.Create(*junit)
		if err != nil {
			return err
		}
		defer file.Close()
		out.JUnit = file
	}
	ok, err := cases.Run(context.Background(), paths, o, out)
	switch {
	case err != nil:
		return errors.New(terminal.PrintableLines(err.Error()))
	case !ok:
		return errReported
	}
	return nil
}
